"""What a user should get, how likely they are to act, and why."""

from __future__ import annotations

import uuid

from fastapi import APIRouter
from fastapi.responses import Response

from segue.service.dependencies import ServiceOf
from segue.service.questions import ForItems, ForProbabilities, ForReasons, Probabilities
from segue.service.schemas import ExplainBody, RankAnswer, RankBody, RecommendAnswer, RecommendBody
from segue.service.warm import Asked
from segue.workflows.explain import Explanation

router = APIRouter(tags=["recommend"])


@router.post("/recommend", response_model=RecommendAnswer)
async def recommend(service: ServiceOf, body: RecommendBody) -> Response:
    """The k best items for a user, or after a history given on the spot."""
    question = ForItems(
        asked=_asked(body),
        k=body.k,
        seen=body.seen,
        allow=None if body.allow is None else tuple(body.allow),
        deny=tuple(body.deny or ()),
        where=tuple(body.where),
    )
    answer = await service.recommend(question, body.system)
    return Response(answer.model_dump_json(), media_type="application/json")


@router.post("/rank")
async def rank(service: ServiceOf, body: RankBody) -> RankAnswer:
    """The candidates by the probability that the user acts on them; asks a ranker."""
    request_id = uuid.uuid4().hex
    name = body.system or next((one for one, host in service.hosts.items() if host.form in ("ranks", "pipeline")), None)
    host = service.choose(name, body.user_id or request_id).host
    question = ForProbabilities(_asked(body), tuple(body.candidates), body.by)
    found: Probabilities = await service.ask(host, question)
    return RankAnswer(
        request_id=request_id, system=host.name, user_id=body.user_id, by=found.by, history=found.history,
        items=found.items, stale=found.stale,
    )  # fmt: skip


@router.post("/explain")
async def explain(service: ServiceOf, body: ExplainBody) -> Explanation:
    """Which past events moved an item, and the path through the code tree where there is one."""
    host = service.choose(body.system, body.user_id or "").host
    explanation: Explanation = await service.ask(host, ForReasons(_asked(body), body.item_id))
    return explanation.model_copy(update={"system": host.name})


def _asked(body: RecommendBody | RankBody | ExplainBody) -> Asked:
    return Asked(body.user_id, tuple(body.history or ()))
