"""A crowd on a button: thousands of simulated people at one sample event. Never outside the sample mode."""
