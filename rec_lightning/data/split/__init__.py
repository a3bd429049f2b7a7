"""Which events train and which are predicted: one protocol a file."""

from rec_lightning.data.split.leave_one_out import LeaveOneOut as LeaveOneOut
