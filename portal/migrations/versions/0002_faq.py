"""The FAQ a new portal starts with; administrators edit it afterwards."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ENTRIES = (
    (
        "What does Unmask do with my image?",
        "It asks a neural network how much the image resembles real photographs of faces, and how much it "
        "resembles faces that were swapped, edited or generated. You see the probability, how far it can "
        "be relied upon, and which parts of the image counted most.",
    ),
    (
        "Is a verdict a proof?",
        "No. It is an estimate by a statistical model, which is sometimes wrong in both directions. Use "
        "it as one sign among several: find the first publication of the image, ask the source for the "
        "original file, compare with other pictures of the same event, and look at the details yourself.",
    ),
    (
        "What do probability and certainty mean?",
        "The probability is calibrated: among many images that get 90 % real, about nine in ten should be "
        "real, as long as they are like the images the model was measured on. Certainty sums this up as "
        "high, moderate or low. Where certainty is low, Unmask says \u201cuncertain\u201d and gives no "
        "verdict at all.",
    ),
    (
        "Which images does it judge well, and which not?",
        "The model learned from pictures in which one face fills much of the frame: real ones, face swaps "
        "and faces made by generators. It has no basis for pictures without a face, drawings, screenshots "
        "of screens, or manipulations of the background. New generators that came after its training can "
        "deceive it. Small, blurred or strongly compressed images make every verdict weaker.",
    ),
    (
        "What does the heatmap show?",
        "The regions that pushed the model towards its verdict (the method is called Grad-CAM). It is "
        "coarse, seven by seven fields, and it explains the model, not the image: a bright region is "
        "where the model looked, not proof that something was changed there.",
    ),
    (
        "Which files can I upload?",
        "JPEG, PNG, WebP, AVIF, GIF, TIFF, BMP and JPEG 2000; of an animation, the first frame. Upload "
        "the most original file you can get: each time a messenger or a social network saves it again, "
        "traces are lost.",
    ),
    (
        "Who can see my images?",
        "Only you, signed in to your account; no other user and no page for administrators shows them. "
        "They are stored on the computer that runs this portal and are sent to no one else. Whoever runs "
        "that computer has access to its disk.",
    ),
    (
        "How do I delete my data?",
        "Each verdict has a delete button, which removes the image as well. On your account page you can "
        "delete your account with everything you uploaded. Deleting is final; only backups that the "
        "operator keeps may hold a copy for longer.",
    ),
    (
        "Why is my image still waiting?",
        "The detector is busy, starting or out of order. Your image is stored, and it is judged as soon "
        "as the detector answers again. You need not upload it twice, and you may close the page: the "
        "verdict will be in your history.",
    ),
    (
        "The verdict is wrong. What now?",
        "Rely on your other evidence, and tell whoever runs this portal: examples of errors are what a "
        "better model is made of. The model's card in the project's repository lists how often it errs, "
        "and on which kinds of images.",
    ),
)


def upgrade() -> None:
    """Add the entries."""
    table = sa.table(
        "faq_entries", sa.column("position", sa.Integer), sa.column("question"), sa.column("answer")
    )
    rows = [{"position": place, "question": q, "answer": a} for place, (q, a) in enumerate(ENTRIES, 1)]
    op.bulk_insert(table, rows)


def downgrade() -> None:
    """Remove the entries that nobody has changed."""
    table = sa.table("faq_entries", sa.column("question"), sa.column("answer"))
    for question, answer in ENTRIES:
        op.execute(table.delete().where(table.c.question == question, table.c.answer == answer))
