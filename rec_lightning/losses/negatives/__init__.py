"""Where negatives come from: uniform, popularity, the batch's own targets, or a mixture; any of them for any loss."""
