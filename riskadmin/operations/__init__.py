"""What operators need: metrics, backup and restore, and what is deleted after how long. It reads every other package."""
