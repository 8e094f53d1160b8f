"""What the services stand on, and the tools around them."""
