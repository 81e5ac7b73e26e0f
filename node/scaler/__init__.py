"""How many read replicas there are: rules, a pure decision, and the hands that start, admit, drain and stop."""
