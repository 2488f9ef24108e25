"""The FAQ that a fresh portal starts with, marked for the catalogues; migrations put it into the database."""

from portal.languages import marked

FIRST_ENTRIES = (
    (
        marked("What does Unmask do with my image?"),
        marked(
            "It asks a neural network how much the image resembles real photographs of faces, and how "
            "much it resembles faces that were swapped, edited or generated. You see the probability, how "
            "far it can be relied upon, and which parts of the image counted most."
        ),
    ),
    (
        marked("Is a verdict a proof?"),
        marked(
            "No. It is an estimate by a statistical model, which is sometimes wrong in both directions. "
            "Use it as one sign among several: find the first publication of the image, ask the source "
            "for the original file, compare with other pictures of the same event, and look at the "
            "details yourself."
        ),
    ),
    (
        marked("What do probability and certainty mean?"),
        marked(
            "The probability is calibrated: among many images that get 90 % real, about nine in ten "
            "should be real, as long as they are like the images the model was measured on. Certainty "
            "sums this up as high, moderate or low. Where certainty is low, Unmask says “uncertain” and "
            "gives no verdict at all."
        ),
    ),
    (
        marked("Which images does it judge well, and which not?"),
        marked(
            "The model learned from pictures in which one face fills much of the frame: real ones, face "
            "swaps and faces made by generators. It has no basis for pictures without a face, drawings, "
            "screenshots of screens, or manipulations of the background. New generators that came after "
            "its training can deceive it. Small, blurred or strongly compressed images make every verdict "
            "weaker."
        ),
    ),
    (
        marked("What does the heatmap show?"),
        marked(
            "The regions that pushed the model towards its verdict (the method is called Grad-CAM). It is "
            "coarse, seven by seven fields, and it explains the model, not the image: a bright region is "
            "where the model looked, not proof that something was changed there."
        ),
    ),
    (
        marked("Which files can I upload?"),
        marked(
            "JPEG, PNG, WebP, AVIF, GIF, TIFF, BMP and JPEG 2000; of an animation, the first frame. "
            "Upload the most original file you can get: each time a messenger or a social network saves "
            "it again, traces are lost."
        ),
    ),
    (
        marked("Who can see my images?"),
        marked(
            "Only you, signed in to your account. There is one exception, which you choose yourself: when "
            "you report a verdict as wrong, administrators see that one image, and may use it to train a "
            "better model. You can take the report back.\n\n"
            "Images are stored on the computer that runs this portal and are sent to no one else. Whoever "
            "runs that computer has access to its disk."
        ),
    ),
    (
        marked("How do I delete my data?"),
        marked(
            "Each verdict has a delete button, which removes the image as well. On your account page you "
            "can delete your account with everything you uploaded. Deleting is final; only backups that "
            "the operator keeps may hold a copy for longer."
        ),
    ),
    (
        marked("Why is my image still waiting?"),
        marked(
            "The detector is busy, starting or out of order. Your image is stored, and it is judged as "
            "soon as the detector answers again. You need not upload it twice, and you may close the "
            "page: the verdict will be in your history."
        ),
    ),
    (
        marked("The verdict is wrong. What now?"),
        marked(
            "Rely on your other evidence, and report it: the page of the verdict has a button for that. "
            "An administrator looks at the image and decides, and accepted reports become examples for "
            "training a better model. The model's card in the project's repository lists how often it "
            "errs, and on which kinds of images."
        ),
    ),
)
