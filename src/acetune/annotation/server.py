"""One OpenAI-compatible server that hears audio: llama.cpp, vLLM, SGLang or a paid one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import numpy as np

from acetune.annotation.clips import RATE_HZ, Clip, encoded
from acetune.annotation.questions import SCHEMAS
from acetune.annotation.web import Limits, Reply, Request, send
from acetune.errors import DataError, DownloadFailed, SettingError
from acetune.events import Job, Json

_STAGE: Final = "endpoint"
#: The probe's two clips: models that hear in blocks of 30 s count one block and two.
_PROBE_SECONDS: Final = (1.0, 40.0)
#: The longer clip must cost at least so many tokens more; the models that hear take 375 to 1,250.
_PROBE_TOKENS: Final = 10
_REFUSED: Final = frozenset({401, 403})
_REPAIR: Final = (
    "That could not be read as JSON. Answer again with exactly one JSON object, nothing before it and nothing after it."
)

_Message = dict[str, Json]


@dataclass(frozen=True)
class Said:
    """What a server answered: the words, whether they were cut, and the tokens of the question if it counts them."""

    text: str
    truncated: bool
    prompt_tokens: int | None


@dataclass
class Server:
    """An address with a model, and what was learned about it on the way.

    Attributes:
        address: Of ``/v1``.
        model: Name that it knows the model by.
        key: Sent with every request; never shown.
        job: Can stop every request within a moment.
        limits: Of time, size and tries.
        takes_schema: Whether it took a JSON schema so far.
        length_name: What it calls the limit of an answer.
    """

    address: str
    model: str
    key: str | None = field(repr=False)
    job: Job
    limits: Limits
    takes_schema: bool = True
    length_name: str = "max_tokens"

    def listen(self, clip: Clip, question: str, schema: str, tokens: int) -> Said:
        """Return what the model says about a clip, as JSON of a schema where the server can hold it to one.

        Raises:
            Stopped: If asked to, within a moment.
            SettingError: If the server refuses the key or does not know the model.
            DownloadFailed: If it does not answer.
            DataError: If it refuses this clip, or its answer is none.
        """
        return self._said([_heard(clip, question)], schema, tokens)

    def repair(self, clip: Clip, question: str, before: str, schema: str, tokens: int) -> Said:
        """Return what the model says once it is told that its answer was no JSON (raises as `listen`)."""
        turns: list[_Message] = [
            _heard(clip, question),
            {"role": "assistant", "content": before},
            {"role": "user", "content": _REPAIR},
        ]
        return self._said(turns, schema, tokens)

    def check_hearing(self) -> None:
        """Make sure that the model hears: a longer clip must cost more tokens.

        A server that counts no tokens is only reported.

        Raises:
            SettingError: If it ignores audio, and as `listen`.
            DownloadFailed: If it does not answer.
        """
        costs = [self._cost(_sweep(seconds)) for seconds in _PROBE_SECONDS]
        if None in costs:
            self.job.tell(DataError("listening.endpoint_unsure", endpoint=self.address))
        elif costs[1] - costs[0] < _PROBE_TOKENS:  # type: ignore[operator]
            raise SettingError("listening.endpoint_deaf", endpoint=self.address, model=self.model)

    def models(self) -> tuple[str, ...]:
        """Return the names of the server's models (raises as `listen`)."""
        listed = self._values(self._exchange("models", None)).get("data")
        rows = listed if isinstance(listed, list) else []
        return tuple(str(row["id"]) for row in rows if isinstance(row, dict) and "id" in row)

    def _cost(self, clip: Clip) -> int | None:
        """Return the tokens of a question about a clip."""
        try:
            return self._said([_heard(clip, "Answer with one word.")], None, 4).prompt_tokens
        except DataError as error:  # what it refuses now it would refuse for every song
            raise SettingError(error.code, **error.params) from error

    def _said(self, messages: Sequence[_Message], schema: str | None, tokens: int) -> Said:
        """Return the answer to a conversation, asked again without what the server does not know."""
        reply = self._exchange("chat/completions", self._question(messages, schema, tokens))
        while reply.status == 400 and self._gives_way(_reason(reply)):
            reply = self._exchange("chat/completions", self._question(messages, schema, tokens))
        return self._first_choice(reply)

    def _question(self, messages: Sequence[_Message], schema: str | None, tokens: int) -> dict[str, Json]:
        """Return the body of a question."""
        body: dict[str, Json] = {
            "model": self.model,
            "temperature": 0.2,
            self.length_name: tokens,
            "messages": list(messages),
        }
        if schema and self.takes_schema:
            form: dict[str, Json] = {"name": schema, "strict": True, "schema": dict(SCHEMAS[schema])}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        return body

    def _gives_way(self, reason: str) -> bool:
        """Whether the server named something of the question that can be left out or said in another way."""
        if self.takes_schema and any(
            word in reason for word in ("response_format", "json_schema", "schema", "grammar")
        ):
            self.takes_schema = False
            return True
        if self.length_name == "max_tokens" and "max_completion_tokens" in reason:
            self.length_name = "max_completion_tokens"
            return True
        return False

    def _exchange(self, path: str, body: Mapping[str, Json] | None) -> Reply:
        """Return the reply to a request; a refused key and an unknown address end the work.

        Raises:
            SettingError: If the server refuses the key or has no such address or model.
            DownloadFailed: If it has a fault that does not pass.
        """
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        data = None if body is None else json.dumps(body).encode()
        reply = send(Request(f"{self.address}/{path}", headers, data), self.limits, self.job, _STAGE)
        facts = {"endpoint": self.address, "status": reply.status, "said": self._shown(reply)}
        if reply.status in _REFUSED:
            raise SettingError("listening.endpoint_key", **facts)
        if reply.status == 404 or 300 <= reply.status < 400:
            raise SettingError("listening.endpoint_unknown", model=self.model, **facts)
        if reply.status == 429 or reply.status >= 500:
            raise DownloadFailed("listening.endpoint_failed", **facts)
        return reply

    def _first_choice(self, reply: Reply) -> Said:
        """Return the first answer of a reply.

        Raises:
            DataError: If the server refused the question, or its reply is none.
        """
        if not reply.is_good:
            raise DataError("listening.endpoint_refused", endpoint=self.address, said=self._shown(reply))
        values = self._values(reply)
        try:
            choice = values["choices"][0]
            text = _text(choice["message"]["content"])
        except (KeyError, IndexError, TypeError) as cause:
            raise self._garbled(reply) from cause
        usage = values.get("usage")
        count = usage.get("prompt_tokens") if isinstance(usage, dict) else None
        return Said(text, choice.get("finish_reason") == "length", count if isinstance(count, int) else None)

    def _values(self, reply: Reply) -> Mapping[str, Any]:
        """Return the object of a reply.

        Raises:
            DataError: If it is none.
        """
        try:
            values = json.loads(reply.body)
        except (ValueError, RecursionError) as cause:
            raise self._garbled(reply) from cause
        if not isinstance(values, dict):
            raise self._garbled(reply)
        return values

    def _garbled(self, reply: Reply) -> DataError:
        """Return the error of a reply that is none."""
        return DataError("listening.endpoint_garbled", endpoint=self.address, said=self._shown(reply))

    def _shown(self, reply: Reply) -> str:
        """Return what a server said in a few words, without the key if it repeats it."""
        text = _reason(reply) or "nothing"
        return (text.replace(self.key, "***") if self.key else text)[:160]


def _heard(clip: Clip, question: str) -> _Message:
    """Return the turn in which a question about a clip is asked."""
    audio: Json = {"type": "input_audio", "input_audio": {"data": clip.data, "format": clip.format}}
    return {"role": "user", "content": [audio, {"type": "text", "text": question}]}


def _text(content: Any) -> str:
    """Return the words of a message: a text, or a list of parts.

    Raises:
        TypeError: If it is neither.
    """
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    if not isinstance(content, str):
        raise TypeError("no text")
    return content


def _reason(reply: Reply) -> str:
    """Return why a server refused, in one line."""
    text = reply.body[:4000].decode("utf-8", "replace")
    try:
        said = json.loads(reply.body)
        error = said.get("error", said.get("detail", said.get("message", text))) if isinstance(said, dict) else text
        text = str(error.get("message", error) if isinstance(error, dict) else error)
    except (ValueError, RecursionError):
        pass
    return " ".join(text.split())


@cache
def _sweep(seconds: float) -> Clip:
    """Return a tone that rises from 200 to 2,000 Hz."""
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    rise = 900 / seconds
    return encoded((0.3 * np.sin(2 * np.pi * (200 + rise * time) * time)).astype(np.float32))
