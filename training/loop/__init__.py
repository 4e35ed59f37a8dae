"""What every training shares: a budget, a folder for its run, going on after an interruption."""
