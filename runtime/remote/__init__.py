"""Pictures and results at object stores: S3, Google Cloud Storage, Azure. Needs the extra `remote`."""
