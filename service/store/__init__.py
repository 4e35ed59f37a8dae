"""What outlives a request: job records and events in Redis, files in the artifact folder. Never imports
torch.
"""
