"""Administration, for administrators only: totals, users, reviews, the FAQ, usage, serving, audit log."""

from portal.admin import audit_log, faq, overview, reviews, serving, usage, users
from portal.admin.blueprint import blueprint

__all__ = ["audit_log", "blueprint", "faq", "overview", "reviews", "serving", "usage", "users"]
