"""The report on one detection as a PDF, with the same words as the page."""

import io
from datetime import datetime
from typing import Any

from flask_babel import gettext as _
from fpdf import FPDF
from fpdf.enums import Align, XPos, YPos

from portal import cards, images
from portal.findings import cautions, findings
from portal.formats import file_size, moment, percent
from portal.languages import language
from portal.models import Detection, ModelCard
from portal.presentation import LIMITS, certainty, of_hundred, wording
from portal.storage import storage

MARGIN = 18
PICTURE_HEIGHT, PICTURE_GAP = 70.0, 6
NAME_WIDTH = 45
# What must fit below a heading beside itself: two lines.
HEADED = 10
INK, MUTED, LINE = (21, 23, 28), (86, 92, 104), (220, 220, 214)
TONES = {"fake": (179, 38, 26), "real": (11, 107, 93), "uncertain": (125, 82, 0)}
# The fonts that every reader of PDF has know Latin letters only.
_PLAIN = str.maketrans(
    {"“": '"', "”": '"', "„": '"', "\u2019": "'", "\u2013": "-", "…": "...", "œ": "oe", "\u202f": "\xa0"}
)


def report(
    detection: Detection,
    evidence: dict[str, Any] | None,
    card: ModelCard | None,
    observed_error: float | None,
    printed_at: datetime,
    *,
    for_owner: bool,
) -> bytes:
    """Write the report; letters that are not Latin, as in a file's name, become question marks.

    Only the owner's has the note, and the address that the image came from.
    """
    page = _Page(printed_at)
    page.write_text(_("Unmask report"), 10, MUTED)
    page.heading(_("Report on %(name)s", name=detection.filename), 18)
    _verdict(page, detection, observed_error)
    for caution in cautions(evidence, detection.faces):
        page.paragraph(_("Caution: %(title)s. %(text)s", title=caution.title, text=caution.text), INK)
    _pictures(page, detection)
    _facts(page, detection, for_owner)
    page.heading(_("What the file tells"))
    for finding in findings(evidence):
        page.heading(f"{finding.title} ({finding.sign})", 10)
        page.facts(finding.details)
        page.paragraph(f"{finding.shows} {finding.limits}")
    _model(page, detection, card)
    page.heading(_("What this report does not say"))
    for limit in LIMITS[1:]:
        page.paragraph(limit)
    return bytes(page.output())


class _Page(FPDF):
    def __init__(self, printed_at: datetime) -> None:
        super().__init__(format="A4")
        self._printed_at = moment(printed_at)
        self.set_margin(MARGIN)
        self.c_margin = 0  # text begins where pictures and lines begin
        self.set_auto_page_break(True, MARGIN)
        self.set_title(_("Unmask report"))
        self.set_lang(language())
        self.set_creation_date(printed_at)
        self.add_page()

    def footer(self) -> None:
        self.set_y(-MARGIN + 4)
        self.set_font("Helvetica", size=8)
        self.set_text_color(*MUTED)
        estimate = _("A verdict is an estimate, not a proof.")
        page = _("Page %(page)s", page=self.page_no())
        self.cell(0, 5, _latin(f"Unmask, {self._printed_at}. {estimate} {page}"), align="C")

    def heading(self, text: str, size: int = 13) -> None:
        """Write a heading, on the same page as what follows it."""
        if self.will_page_break(size + HEADED):
            self.add_page()
        self.ln(size * 0.25)
        self.write_text(text, size, INK, bold=True)
        self.ln(size * 0.08)

    def paragraph(self, text: str, colour: tuple[int, int, int] = MUTED) -> None:
        """Write a paragraph."""
        self.write_text(text, 10, colour)
        self.ln(1)

    def facts(self, rows: Any) -> None:
        """Write names and values, a line for each."""
        for name, value in rows:
            self.set_font("Helvetica", size=9)
            self.set_text_color(*MUTED)
            # A name that is too long for its column stands above its value.
            fits = self.get_string_width(_latin(name)) < NAME_WIDTH - 2
            self.cell(NAME_WIDTH, 5, _latin(name), new_x=XPos.RIGHT, new_y=YPos.TOP if fits else YPos.NEXT)
            self.set_x(self.l_margin + NAME_WIDTH)
            self.set_text_color(*INK)
            self.multi_cell(0, 5, _latin(str(value)), align=Align.L, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(1)

    def write_text(self, text: str, size: int, colour: tuple[int, int, int], bold: bool = False) -> None:
        """Write text over the full width."""
        self.set_font("Helvetica", "B" if bold else "", size)
        self.set_text_color(*colour)
        self.multi_cell(0, size * 0.5, _latin(text), align=Align.L, new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _verdict(page: _Page, detection: Detection, observed_error: float | None) -> None:
    words = wording(detection)
    page.write_text(words.title, 24, TONES[words.kind], bold=True)
    page.ln(1)
    page.paragraph(words.summary, INK)
    real = detection.probability_real or 0.0
    left, top, width = page.l_margin, page.get_y() + 1, page.epw
    page.set_fill_color(*LINE)
    page.rect(left, top + 1, width, 2, "F")
    page.set_fill_color(*TONES[words.kind])
    page.rect(left + width * min(real, 0.5), top + 1, width * abs(real - 0.5), 2, "F")
    page.ellipse(left + width * real - 2, top, 4, 4, "F")
    page.set_y(top + 6)
    said = _("%(fake)s fake, %(real)s real", fake=percent(1 - real), real=percent(real))
    page.facts([(_("Probability"), said)])
    level = certainty(detection.certainty or "")
    sentences = [f"{level.title}.", level.text, "" if observed_error is None else of_hundred(observed_error)]
    page.paragraph(" ".join(map(str, sentences)).strip(), INK)


def _preview(detection: Detection) -> bytes | None:
    if not detection.image_kept:
        return None
    try:
        return storage().derived(detection.sha256, "preview.webp", images.preview).read_bytes()
    except FileNotFoundError:
        return None


def _pictures(page: _Page, detection: Detection) -> None:
    preview = _preview(detection)
    if preview is None:
        page.paragraph(_("The image itself is not stored. The SHA-256 below identifies it."))
        return
    shown = [images.printed(preview)]
    if detection.heatmap:
        shown.append(images.printed(preview, detection.heatmap))
    column = (page.epw - PICTURE_GAP) / 2
    across, down = images.size(preview)
    scale = min(column / across, PICTURE_HEIGHT / down)
    width, height = across * scale, down * scale
    if page.will_page_break(height + HEADED):
        page.add_page()
    top = page.get_y() + 2
    for number, picture in enumerate(shown):
        page.image(io.BytesIO(picture), page.l_margin + number * (column + PICTURE_GAP), top, width, height)
    page.set_y(top + height + 2)
    page.paragraph(_("Left: the image. Right: red regions counted most for this verdict."))


def _facts(page: _Page, detection: Detection, for_owner: bool) -> None:
    image = detection.image
    page.heading(_("File"))
    rows = [
        (_("Name"), detection.filename),
        (_("Image"), f"{image.format}, {image.width} x {image.height}, {file_size(image.size_bytes)}"),
        ("SHA-256", detection.sha256),
        (_("Uploaded"), moment(detection.created_at)),
        (_("Judged"), moment(detection.judged_at) if detection.judged_at else ""),
    ]
    if for_owner:
        rows += [(_("Fetched from"), detection.source_url or ""), (_("Note"), detection.note)]
    page.facts((name, value) for name, value in rows if value)


def _model(page: _Page, detection: Detection, card: ModelCard | None) -> None:
    page.heading(_("Model"))
    version = {"model": detection.model, "version": detection.model_version}
    rows = [(_("Model"), _("%(model)s, version %(version)s", **version))]
    if card is not None:
        rows.append((_("Weights, SHA-256"), str(card.card.get("weights_sha256", ""))))
        rows += [
            (str(certainty(level["name"]).title), of_hundred(float(level["observed_error"])))
            for level in card.card["certainty"]
        ]
        rows += [(each["name"], cards.sentence(each)) for each in cards.figures(card)]
    page.facts(rows)


def _latin(text: str) -> str:
    return text.translate(_PLAIN).encode("latin-1", "replace").decode("latin-1")
