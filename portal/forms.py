"""The forms that people fill in, with the rules for each field."""

from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from flask_wtf.file import FileRequired, MultipleFileField
from wtforms import IntegerField, PasswordField, RadioField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import AnyOf, DataRequired, EqualTo, InputRequired, Length, NumberRange, Regexp

from portal.feedback import NOTE_LENGTH
from portal.inference.management import MOST_WORKERS
from portal.models import NAME_LENGTH, QUESTION_LENGTH

PASSWORD_MINIMUM, PASSWORD_MAXIMUM = 10, 128


def _lowered(text: str | None) -> str:
    return (text or "").strip().lower()


_not_longer = Length(max=PASSWORD_MAXIMUM, message=_("This is too long."))
_name_rules = [
    DataRequired(_("Enter a user name.")),
    Length(3, NAME_LENGTH, _("A user name has %(min)d to %(max)d characters.")),
    Regexp(r"[a-z0-9][a-z0-9._-]*\Z", message=_("Use letters, digits, dots, hyphens and underscores only.")),
]
_new_password_rules = [
    DataRequired(_("Enter a password.")),
    Length(
        PASSWORD_MINIMUM,
        PASSWORD_MAXIMUM,
        _("A password has %(min)d to %(max)d characters."),
    ),
]


class RegisterForm(FlaskForm):
    """A new account."""

    name = StringField(_("User name"), _name_rules, filters=[_lowered])
    password = PasswordField(_("Password"), _new_password_rules)
    repeat = PasswordField(
        _("Repeat the password"), [EqualTo("password", _("The two passwords are not the same."))]
    )


class LoginForm(FlaskForm):
    """Name and password of an account."""

    name = StringField(
        _("User name"), [DataRequired(_("Enter your user name.")), _not_longer], filters=[_lowered]
    )
    password = PasswordField(_("Password"), [DataRequired(_("Enter your password.")), _not_longer])


class NewPasswordForm(FlaskForm):
    """A new password for an account whose old one is reset."""

    password = PasswordField(_("New password"), _new_password_rules)
    repeat = PasswordField(
        _("Repeat the new password"), [EqualTo("password", _("The two passwords are not the same."))]
    )


class PasswordForm(NewPasswordForm):
    """The current password, and the one to replace it."""

    present = PasswordField(
        _("Current password"), [DataRequired(_("Enter your current password.")), _not_longer]
    )


class DeleteForm(FlaskForm):
    """The password once more, before all is deleted."""

    confirm = PasswordField(_("Your password"), [DataRequired(_("Enter your password.")), _not_longer])


class UploadForm(FlaskForm):
    """Images to be judged."""

    image = MultipleFileField(_("Images"), [FileRequired(_("Choose an image first."))])


class AddressForm(FlaskForm):
    """The address of an image on the web."""

    url = StringField(_("Address of an image"), [DataRequired(_("Enter the address of an image first."))])


class NoteForm(FlaskForm):
    """What one wants to remember about an image."""

    note = TextAreaField(_("Note"), [Length(max=NOTE_LENGTH, message=_("This is too long."))])


class DisputeForm(FlaskForm):
    """What an image is, in contradiction to its verdict, and how one knows."""

    label = RadioField(
        _("This image is"),
        [DataRequired(_("Say whether the image is real or fake."))],
        choices=[SelectChoice("real", _("real")), SelectChoice("fake", _("fake"))],
    )
    reason = TextAreaField(_("How do you know?"), [Length(max=NOTE_LENGTH, message=_("This is too long."))])


class RetentionForm(FlaskForm):
    """How long images and verdicts are kept."""

    days = SelectField(_("Keep my images and verdicts"))


class ShareForm(FlaskForm):
    """How long a link to a report works."""

    days = SelectField(_("The link works"))


class FaqForm(FlaskForm):
    """A question with its answer."""

    question = StringField(
        _("Question"), [DataRequired(_("Enter the question.")), Length(max=QUESTION_LENGTH)]
    )
    answer = TextAreaField(
        _("Answer"),
        [DataRequired(_("Enter the answer.")), Length(max=5000)],
        filters=[lambda text: (text or "").replace("\r\n", "\n")],
        description=_("Markdown: **bold**, *italic*, - lists, [links](https://example.org), ### headings."),
    )


class ReviewForm(FlaskForm):
    """An administrator's decision on a disputed verdict."""

    decision = StringField(_("Decision"), [AnyOf(("accept", "reject"))])
    note = TextAreaField(_("Note"), [Length(max=NOTE_LENGTH)])


class ScaleForm(FlaskForm):
    """How many workers a version shall have."""

    workers = IntegerField(_("Workers"), [InputRequired(_("Enter a number.")), NumberRange(0, MOST_WORKERS)])


class RegisterModelForm(FlaskForm):
    """An archive of the model store that TorchServe shall load."""

    archive = StringField(
        _("Archive"), [DataRequired(_("Name an archive."))], filters=[lambda x: (x or "").strip()]
    )
    workers = IntegerField(
        _("Workers"), [InputRequired(_("Enter a number.")), NumberRange(1, MOST_WORKERS)], default=1
    )
