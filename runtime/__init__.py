"""What runs on the user's machine: sessions, the colorizer, pictures, folders, the model that ships.

Never imports torch.
"""
