"""Tools for experiments. They reach services only over HTTP and AMQP, like any outsider."""
