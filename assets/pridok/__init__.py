"""Pridok: a referral becomes a consultation, and its report reaches the insurer.

Everything here is values and rules: what a referral must hold (``events``, ``referral``, ``numbers``,
``phones``), what may happen to a consultation (``consultation``, ``reading``, ``orders``), what is written
down at its end (``results``, ``icpc``), and what the insurer is told (``mapping``, ``disclosure``, ``kpi``,
``workbook``). Storing, sealing and sending belong to ``resources`` and ``web``.
"""
