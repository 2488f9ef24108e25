"""What can go wrong between the portal and TorchServe; foreign exceptions are translated into these only."""


class InferenceError(Exception):
    """TorchServe did not do what it was asked."""


class Unavailable(InferenceError):
    """Serving is down, starting, full or refuses the key: the same can be tried again later."""


class BadImage(InferenceError):
    """The model says that it cannot judge this image; the message is for the person who sent it."""


class BadAnswer(InferenceError):
    """TorchServe answered outside the contract; trying again would not help."""


class Refused(InferenceError):
    """TorchServe does not carry out a command of the management; the message is for the administrator."""
