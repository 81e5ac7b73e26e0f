"""The right to lead, granted by an authority outside the cluster: etcd."""
