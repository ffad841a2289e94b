"""Every error a person can cause is a `FacError` whose text is one sentence: what, where, what to do.

Pages and the command line show that sentence and nothing else; anything that is not a `FacError` is a defect of ours.
"""


class FacError(Exception):
    """A problem the person at the screen can understand and mend."""


class InputError(FacError):
    """The data or a setting given by a person cannot be used as it is."""


class StoreError(FacError):
    """The project's store cannot be opened, or holds something this version cannot read."""


class ModelError(FacError):
    """A backbone or an SAE is missing, damaged or of the wrong shape."""


class EndpointError(FacError):
    """A generation endpoint is down, refuses, or answers nonsense."""
