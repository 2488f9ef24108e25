"""A database as a busy portal has it after a year: 100,000 detections, and all that belongs to them."""

import hashlib
import io
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from PIL import Image as Pictures
from sqlalchemy import func, insert, select

from portal import accounts, evidence, images
from portal.api import keys
from portal.api.models import ApiKey, Delivery, DeliveryStatus, Webhook
from portal.extensions import Base, db
from portal.models import (
    AuditEntry,
    Detection,
    Feedback,
    FeedbackStatus,
    Image,
    ModelCard,
    Share,
    Status,
    User,
    now,
    searchable,
)
from portal.passwords import set_password
from portal.storage import storage

MODEL_CARD = Path(__file__).parent.parent / "model_store/model.json"
PASSWORD = "correct horse battery"  # noqa: S105  # of accounts that live as long as the benchmark
DETECTIONS, OF_ONE_USER, OTHERS = 100_000, 90_000, 200
DISPUTES, AUDIT_ENTRIES, SHARES, DELIVERIES = 2_000, 5_000, 2_000, 5_000
KEYS_EACH, HOOKS_EACH = 20, 10
CHUNK = 5_000
DAYS = 365
WORDS = (
    *("berlin", "crowd", "courthouse", "final", "minister", "night", "original", "press", "protest"),
    *("reader", "rally", "source", "square", "station", "still", "video", "witness", "agency"),
)


@dataclass(frozen=True)
class Subjects:
    """What the pages are about: for each of two people a detection with every detail, and the rest."""

    user: str
    admin: str
    detections: dict[str, int]
    user_id: int
    feedback_id: int
    webhooks: dict[str, int]
    entry_id: int
    share_token: str
    reset_token: str
    api_key: str


def fill(seed: int = 0) -> Subjects:
    """Fill the application's empty database and its storage; the same seed gives the same contents."""
    chance = random.Random(seed)  # noqa: S311
    people = _add_people()
    big, admin = people[0], people[1]
    _insert(Image, list(_images(chance)))
    _insert(Detection, list(_detections(chance, [person.id for person in people])))
    card = json.loads(MODEL_CARD.read_text())
    versions = [{"version": f"1.{each}", "seen_at": now() - timedelta(days=90 - each)} for each in range(3)]
    _insert(ModelCard, [{"model": "deepfake", "card": card} | version for version in versions])
    shown = {person.name: _detailed(person) for person in (big, admin)}
    _insert(Feedback, list(_disputes(chance, admin.id, list(shown.values()))))
    _insert(AuditEntry, list(_audit(chance, [person.name for person in people])))
    token = _add_shares(chance, shown[big.name])
    _add_programs(chance, people, shown[big.name])
    return Subjects(
        user=big.name,
        admin=admin.name,
        detections=shown,
        user_id=big.id,
        feedback_id=_first(select(Feedback.id).where(Feedback.detection_id == shown[big.name])),
        webhooks={
            person.name: _first(select(Webhook.id).where(Webhook.user_id == person.id))
            for person in (big, admin)
        },
        entry_id=1,
        share_token=token,
        reset_token=accounts.reset_password(people[2]),
        api_key=keys.create(big, "benchmark"),
    )


def _first(query: Any) -> int:
    return int(db.session.scalars(query.limit(1)).one())


def _insert(table: type[Base], rows: list[dict[str, Any]]) -> None:
    for start in range(0, len(rows), CHUNK):
        db.session.execute(insert(table), rows[start : start + CHUNK])
    db.session.commit()


def _add_people() -> list[User]:
    """Add who has most of the detections, an administrator, and the others."""
    people = [User(name="desk"), User(name="chief", is_admin=True)]
    people += [User(name=f"reporter-{number:03}") for number in range(OTHERS - 1)]
    set_password(people[0], PASSWORD)
    for person in people:
        person.password_hash = people[0].password_hash
    db.session.add_all(people)
    db.session.commit()
    return people


def _sha256(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def _images(chance: random.Random) -> Iterator[dict[str, Any]]:
    found = evidence.examine(_picture(chance))
    for number in range(DETECTIONS):
        yield {
            "sha256": _sha256(number),
            "format": "JPEG",
            "width": chance.randrange(400, 6000),
            "height": chance.randrange(400, 4000),
            "size_bytes": chance.randrange(20_000, 8_000_000),
            "evidence": found,
        }


def _detections(chance: random.Random, people: list[int]) -> Iterator[dict[str, Any]]:
    """Spread the detections over a year and over people, the oldest first."""
    grids = [[[round(chance.random(), 4) for _ in range(7)] for _ in range(7)] for _ in range(50)]
    owners = [people[0]] * OF_ONE_USER + [
        people[1 + number % OTHERS] for number in range(DETECTIONS - OF_ONE_USER)
    ]
    chance.shuffle(owners)
    start = now() - timedelta(days=DAYS)
    for number, owner in enumerate(owners):
        time = start + timedelta(days=DAYS) * (number + chance.random()) / DETECTIONS
        # Of a hundred images, three were there before.
        image = number if chance.random() > 0.03 else chance.randrange(number + 1)
        filename = _filename(chance, time)
        note = " ".join(chance.choices(WORDS, k=12)) if chance.random() < 0.1 else ""
        yield {
            "user_id": owner,
            "sha256": _sha256(image),
            "filename": filename,
            "note": note,
            "search_text": searchable(filename, note),
            "source_url": None,
            "created_at": time,
            "next_attempt_at": time,
            "attempts": 1,
        } | _outcome(chance, time, grids)


def _filename(chance: random.Random, time: datetime) -> str:
    number = chance.randrange(10_000)
    return chance.choice(
        (
            f"IMG_{time:%Y%m%d}_{number:04}.jpg",
            f"WhatsApp Image {time:%Y-%m-%d} at {time:%H.%M.%S}.jpeg",
            f"{chance.choice(WORDS)}-{chance.choice(WORDS)}-{number}.png",
            f"Screenshot {time:%Y-%m-%d} {number}.png",
        )
    )


def _outcome(chance: random.Random, time: datetime, grids: list[Any]) -> dict[str, Any]:
    columns = ("error", "label", "probability_real", "confidence", "certainty", "heatmap")
    nothing = dict.fromkeys((*columns, "model", "model_version", "judged_at", "duration_ms"))
    kind = chance.random()
    if kind < 0.002:
        return nothing | {"status": Status.PENDING}
    if kind < 0.02:
        return nothing | {"status": Status.FAILED, "error": "The detector cannot read this image."}
    real = round(chance.betavariate(0.5, 0.5), 6)
    confidence = max(real, 1 - real)
    duration = round(chance.lognormvariate(5, 0.4))
    return {
        "status": Status.DONE,
        "error": None,
        "label": "real" if real >= 0.5 else "fake",
        "probability_real": real,
        "confidence": confidence,
        "certainty": "high" if confidence > 0.9 else "moderate" if confidence > 0.7 else "low",
        "heatmap": chance.choice(grids),
        "model": "deepfake",
        "model_version": f"1.{chance.randrange(3)}",
        "judged_at": time + timedelta(milliseconds=duration),
        "duration_ms": duration,
    }


def _picture(chance: random.Random) -> bytes:
    noise = Pictures.frombytes("RGB", (320, 240), chance.randbytes(320 * 240 * 3))
    data = io.BytesIO()
    noise.resize((1280, 960), Pictures.Resampling.BICUBIC).save(data, "JPEG", quality=85)
    return data.getvalue()


def _detailed(person: User) -> int:
    """Give somebody's newest verdict a stored image with its pictures, and two earlier verdicts on it."""
    done = select(Detection).where(Detection.user_id == person.id, Detection.status == Status.DONE)
    newest, *earlier = db.session.scalars(done.order_by(Detection.id.desc()).limit(3))
    data = _picture(random.Random(person.id))  # noqa: S311
    storage().write(newest.sha256, data)
    storage().derived(newest.sha256, "preview.webp", images.preview)
    storage().derived(newest.sha256, "thumbnail.webp", images.thumbnail)
    newest.note = "Sent by a reader."
    for each in earlier:
        each.sha256 = newest.sha256
    db.session.commit()
    return newest.id


def _disputes(chance: random.Random, reviewer: int, shown: list[int]) -> Iterator[dict[str, Any]]:
    done = select(Detection.id, Detection.user_id).where(Detection.status == Status.DONE)
    owners = dict(db.session.execute(done).all())
    chosen = chance.sample(sorted(owners.keys() - set(shown)), DISPUTES - len(shown)) + shown
    for number, detection_id in enumerate(chosen):
        status = FeedbackStatus.OPEN if number % 5 == 0 else chance.choice(list(FeedbackStatus)[1:])
        is_open = status is FeedbackStatus.OPEN
        yield {
            "detection_id": detection_id,
            "user_id": owners[detection_id],
            "claimed_label": chance.choice(("real", "fake")),
            "note": " ".join(chance.choices(WORDS, k=10)),
            "status": status,
            "reviewer_id": None if is_open else reviewer,
            "review_note": "" if is_open else "Checked with the agency.",
            "reviewed_at": None if is_open else now(),
        }


def _audit(chance: random.Random, names: list[str]) -> Iterator[dict[str, Any]]:
    actions = ("user.disable", "user.enable", "faq.change", "review.accept", "review.reject", "serving.scale")
    for number in range(AUDIT_ENTRIES):
        yield {
            "created_at": now() - timedelta(minutes=100 * (AUDIT_ENTRIES - number)),
            "actor": "chief",
            "address": f"192.0.2.{chance.randrange(1, 255)}",
            "action": chance.choice(actions),
            "target": chance.choice(names),
            "details": " ".join(chance.choices(WORDS, k=12)),
        }


def _add_shares(chance: random.Random, shown: int) -> str:
    token = f"{chance.getrandbits(256):064x}"
    shared = [shown] * 5 + chance.sample(range(1, DETECTIONS), SHARES - 5)
    hashes = [hashlib.sha256(token.encode()).hexdigest(), *map(_sha256, range(1, SHARES))]
    pairs = zip(shared, hashes, strict=True)
    _insert(Share, [{"detection_id": number, "token_hash": value} for number, value in pairs])
    return token


def _add_programs(chance: random.Random, people: list[User], shown: int) -> None:
    """Add API keys and webhooks, with what was sent to one of them."""
    made = [(person.id, number) for person in people for number in range(2)]
    made += [(people[0].id, number) for number in range(2, KEYS_EACH - 1)]
    _insert(
        ApiKey,
        [
            {"user_id": owner, "name": f"Script {number}", "hint": "unmask_abcdef", "key_hash": _sha256(each)}
            for each, (owner, number) in enumerate(made)
        ],
    )
    hooks = [person.id for person in people] + [people[0].id] * (HOOKS_EACH - 1)
    _insert(
        Webhook,
        [
            {"user_id": owner, "url": f"https://desk.example/hook/{number}", "secret": f"whsec_{number:032}"}
            for number, owner in enumerate(hooks)
        ],
    )
    first = _first(select(func.min(Webhook.id)))
    _insert(
        Delivery,
        [
            {
                "webhook_id": first,
                "detection_id": shown,
                "message_id": f"msg_{number:032x}",
                "event": "detection.done",
                "payload": json.dumps({"type": "detection.done", "data": {"id": shown}}),
                "status": chance.choice((DeliveryStatus.DELIVERED, DeliveryStatus.FAILED)),
                "attempts": 1,
                "response_status": 200,
            }
            for number in range(DELIVERIES)
        ],
    )
