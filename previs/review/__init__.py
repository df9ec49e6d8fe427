"""Review boards: what people say of shots, who may say it, and what becomes of it.

The pages for browsers are in :mod:`previs.review.web`, which needs the extra ``previs[serve]``.
"""
