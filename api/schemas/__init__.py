"""The JSON that goes in and out, one file a subject, as the counterpart of `routes/`."""
