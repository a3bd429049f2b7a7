"""How the losses or the gradients of several tasks become one step, one method a file."""
