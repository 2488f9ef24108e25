"""Disputed verdicts: who may claim what, and what becomes of a claim."""

import re

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal import feedback, judging
from portal.extensions import db
from portal.models import Detection, Feedback, FeedbackStatus, User
from tests.portal.conftest import VERDICT, FakeServing, drawn, upload


def detection() -> Detection:
    return db.session.query(Detection).order_by(Detection.id.desc()).first() or pytest.fail("no detection")


def test_a_claim_replaces_the_one_before_and_is_open_again(app: Flask, client: FlaskClient, ada: int) -> None:
    upload(client)
    with app.app_context():
        first = feedback.dispute(detection(), "real", " seen it myself ")
        reviewer = db.session.get_one(User, ada)
        feedback.review(first, reviewer, accepted=False, note="no")
        db.session.commit()
        feedback.dispute(detection(), "real", "really")
        claim = db.session.query(Feedback).one()
        assert (claim.note, claim.status, claim.user_id) == ("really", FeedbackStatus.OPEN, ada)
        assert (claim.review_note, claim.reviewer_id, claim.reviewed_at) == ("", None, None)
        assert feedback.counts() == {"open": 1, "accepted": 0, "rejected": 0}
        feedback.withdraw(detection())
        assert feedback.of(detection()) is None


@pytest.mark.parametrize(
    ("label", "note", "message"),
    [("fake", "", "says already"), ("cat", "", "real or fake"), ("real", "x" * 2001, "too long")],
)
def test_a_claim_that_makes_no_sense_is_refused(
    app: Flask, client: FlaskClient, ada: int, label: str, note: str, message: str
) -> None:
    upload(client)
    with app.app_context():
        with pytest.raises(feedback.NotPossible, match=message):
            feedback.dispute(detection(), label, note)
        assert feedback.of(detection()) is None


def test_an_uncertain_verdict_can_be_claimed_either_way(
    app: Flask, client: FlaskClient, ada: int, serving: FakeServing
) -> None:
    answer = VERDICT | {"certainty": "low", "confidence": 0.55, "probability_real": 0.45}
    serving.answer = lambda _: httpx.Response(200, json=answer)
    upload(client)
    with app.app_context():
        assert feedback.dispute(detection(), "fake").claimed_label == "fake"
        assert feedback.dispute(detection(), "real").claimed_label == "real"


def test_a_detection_without_a_verdict_cannot_be_disputed(
    app: Flask, client: FlaskClient, ada: int, serving: FakeServing
) -> None:
    serving.refuse()
    upload(client)
    with app.app_context(), pytest.raises(feedback.NotPossible, match=re.escape("no verdict yet")):
        feedback.dispute(detection(), "real")


def test_contradicting_claims_on_one_image_are_not_both_accepted(
    app: Flask, client: FlaskClient, ada: int
) -> None:
    with app.app_context():
        user = db.session.get_one(User, ada)
        first, second = (judging.submit(user, "a.png", drawn("PNG")) for _ in range(2))
        yes, no = feedback.dispute(first, "real"), feedback.dispute(second, "real")
        feedback.review(yes, user, accepted=True)
        db.session.flush()
        no.claimed_label = "fake"
        with pytest.raises(feedback.NotPossible, match="other label is accepted already"):
            feedback.review(no, user, accepted=True)
        feedback.review(yes, user, accepted=False)
        feedback.review(no, user, accepted=True)
        db.session.commit()
        assert feedback.counts() == {"open": 0, "accepted": 1, "rejected": 1}


def test_deleting_a_detection_deletes_its_claim(app: Flask, client: FlaskClient, ada: int) -> None:
    upload(client)
    with app.app_context():
        feedback.dispute(detection(), "real")
        judging.remove(detection())
        assert db.session.query(Feedback).count() == 0
