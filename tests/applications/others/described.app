{"command": ["BUILD/lifecycle_app", "clean"], "environment": {"EXAMPLE": "1"}}
