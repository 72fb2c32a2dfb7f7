#!/usr/bin/env python3
"""Writes the expected renderings of tests/data/templates/ with the reference implementation.

Needs transformers and jinja2. Run from the root of the repository:
    python3 tools/make_template_goldens.py
Reads tests/data/templates/*.jinja and writes goldens.json (templates over conversations),
expressions.json (small templates over one set of variables) beside them. The clock is fixed at
2024-07-26 14:05:09, as in the test.
"""
import datetime
import json
import pathlib

import jinja2
from transformers.utils import chat_template_utils

FOLDER = pathlib.Path("tests/data/templates")


class FixedClock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 26, 14, 5, 9)


def tool(name, properties, required=(), description="Does a thing.", **more):
    parameters = {"type": "object", "properties": properties}
    if required:
        parameters["required"] = list(required)
    function = {"name": name, "description": description, "parameters": parameters, **more}
    return {"type": "function", "function": function}


WEATHER = tool(
    "get_weather",
    {
        "city": {"type": "string", "description": "The city, as in \"Zürich\"."},
        "unit": {"type": "string", "enum": ["C", "F"], "default": "C"},
        "days": {"type": "integer", "description": "How many", "default": 3},
    },
    ["city"],
    **{"return": {"type": "number"}},
)
NESTED = tool(
    "plan<trip>",
    {
        "stops": {"type": "array", "items": {"type": "string"}, "nullable": True},
        "legs": {"type": "array", "items": {"type": "object", "properties": {
            "km": {"type": "number"}, "by": {"type": ["string", "null"]}}, "required": ["km"]}},
        "mode": {"oneOf": [{"type": "string", "default": "x"}, {"type": "number"}]},
        "flags": {"type": "object", "additionalProperties": {"type": "boolean"}},
        "items": {"type": "array"},
        "big": {"type": "number", "maximum": 1e22, "minimum": -0.5, "multipleOf": 1e-7},
    },
    description="Plans a 'trip' & more — 日本.",
)
EMPTY = tool("now", {})


def call(name, arguments, **more):
    return {"type": "function", "function": {"name": name, "arguments": arguments}, **more}


SYSTEM = {"role": "system", "content": "You are terse."}
HELLO = {"role": "user", "content": "Hello"}
HI = {"role": "assistant", "content": "Hi there!"}
ASK = {"role": "user", "content": "  Weather in Zürich? 🌧\n"}
CALLS = {"role": "assistant", "content": None,
         "tool_calls": [call("get_weather", {"city": "Zürich", "unit": "C"}, id="abcdef123")]}
CALLS_TEXT = {"role": "assistant", "content": "Let me look.",
              "tool_calls": [call("get_weather", {"city": "Bern"}, id="abcdef124"),
                             call("now", {}, id="abcdef125")]}
RESULT = {"role": "tool", "content": "12.5", "name": "get_weather", "tool_call_id": "abcdef123"}
RESULT_MAP = {"role": "tool", "content": {"temp": 12.0, "ok": True, "sky": None}}
ANSWER = {"role": "assistant", "content": "It is 12.5 °C."}
THOUGHT = {"role": "assistant", "content": "<think>\nhm\n</think>\n\nFour."}
REASONED = {"role": "assistant", "content": "Five.", "reasoning_content": "\nlet me see\n"}
PARTS = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": " What is it? "}]}

CONVERSATIONS = {
    "plain": {"messages": [HELLO]},
    "prompt": {"messages": [HELLO], "add_generation_prompt": True},
    "system": {"messages": [SYSTEM, HELLO], "add_generation_prompt": True},
    "turns": {"messages": [SYSTEM, HELLO, HI, ASK, ANSWER, HELLO], "add_generation_prompt": True},
    "turns_done": {"messages": [HELLO, HI, ASK, ANSWER]},
    "not_alternating": {"messages": [HELLO, HELLO]},
    "assistant_first": {"messages": [HI, HELLO]},
    "empty": {"messages": []},
    "tools": {"messages": [SYSTEM, ASK], "tools": [WEATHER, EMPTY], "add_generation_prompt": True},
    "tools_nested": {"messages": [ASK], "tools": [NESTED, WEATHER], "add_generation_prompt": True},
    "tools_empty": {"messages": [HELLO], "tools": []},
    "tools_none": {"messages": [HELLO], "tools": None},
    "tool_call": {"messages": [ASK, CALLS], "tools": [WEATHER]},
    "tool_result": {"messages": [SYSTEM, ASK, CALLS, RESULT], "tools": [WEATHER],
                    "add_generation_prompt": True},
    "tool_answer": {"messages": [ASK, CALLS, RESULT, ANSWER, HELLO], "tools": [WEATHER, EMPTY],
                    "add_generation_prompt": True},
    "tool_two_calls": {"messages": [ASK, CALLS_TEXT, RESULT, RESULT_MAP, ANSWER]},
    "tool_result_map": {"messages": [ASK, CALLS, RESULT_MAP]},
    "tool_alone": {"messages": [RESULT]},
    "thinking": {"messages": [HELLO, THOUGHT, HELLO, REASONED], "add_generation_prompt": True},
    "thinking_last": {"messages": [SYSTEM, HELLO, THOUGHT]},
    "no_thinking": {"messages": [HELLO], "enable_thinking": False, "add_generation_prompt": True},
    "parts": {"messages": [PARTS], "add_generation_prompt": True},
    "parts_system": {"messages": [{"role": "system", "content": [{"type": "text", "text": "S"}]},
                                  PARTS, HI, PARTS]},
    "parts_bad": {"messages": [{"role": "user", "content": [{"type": "audio"}]}]},
    "none_content": {"messages": [HELLO, {"role": "assistant", "content": None}]},
    "no_content": {"messages": [{"role": "user"}]},
    "number_content": {"messages": [{"role": "user", "content": 3}]},
    "odd_role": {"messages": [HELLO, {"role": "critic", "content": "meh"}]},
    "unicode": {"messages": [{"role": "user", "content": "a\u00a0b\u2028ÀÉß漢字😀\"'\\\t\x01 <b>&"}, HI]},
    "blank": {"messages": [{"role": "user", "content": " \r\n x \n\n\n y\t"},
                           {"role": "assistant", "content": "\n"}],
              "add_generation_prompt": True},
    "documents": {"messages": [HELLO], "documents": [{"title": "A", "text": "aa"}, {"text": "bb"}],
                  "controls": {"length": "long"}, "add_generation_prompt": True},
    "custom": {"messages": [SYSTEM, HELLO, HI, HELLO], "custom_tools": [EMPTY],
               "tools_in_user_message": False, "date_string": "1 Jan 2025",
               "reasoning_effort": "high", "model_identity": "You are M.",
               "builtin_tools": ["get_weather", "code_interpreter"]},
}
for variables in CONVERSATIONS.values():
    variables.setdefault("add_generation_prompt", False)
    variables.update(bos_token="<s>", eos_token="</s>")

VARIABLES = {
    "s": "  Hello, World  ", "t": "a-b c_d", "u": "ÀéÎ ß 漢字 😀", "e": "", "n": 7, "z": 0, "neg": -3,
    "f": 2.5, "g": 1e16, "h": 0.1, "yes": True, "no": False, "nil": None, "l": [3, 1, 2],
    "ls": ["b", "A", "c", "a"], "le": [], "d": {"b": 1, "a": "x", "items": 3},
    "mixed": [1, "a", None, True, 2.0, [1], {"k": "v"}],
    "rows": [{"k": "x", "v": 2}, {"k": "Y", "v": 1}, {"v": 3}],
}

EXPRESSIONS = (pathlib.Path(__file__).parent / "template_expressions.txt").read_text()


def render(source, variables):
    # A copy: filters may change a list in place.
    variables = json.loads(json.dumps(variables))
    try:
        compiled = chat_template_utils._cached_compile_jinja_template(source)
        return {"text": compiled.render(**variables)}
    except jinja2.exceptions.TemplateSyntaxError:
        return {"error": None}
    except jinja2.exceptions.UndefinedError:
        return {"error": None}
    except jinja2.exceptions.TemplateRuntimeError:
        return {"error": None}
    except jinja2.exceptions.TemplateError as error:
        return {"error": str(error)}  # raise_exception: the message matters
    except Exception:
        return {"error": None}


def write(name, content):
    text = json.dumps(content, ensure_ascii=False, indent=1)
    (FOLDER / name).write_text(text + "\n", encoding="utf-8")


def main():
    chat_template_utils.datetime = FixedClock
    goldens = []
    for path in sorted(FOLDER.glob("*.jinja")):
        source = path.read_text(encoding="utf-8")
        for name, variables in CONVERSATIONS.items():
            goldens.append({"template": path.name, "conversation": name, **render(source, variables)})
    write("goldens.json", {"conversations": CONVERSATIONS, "cases": goldens})
    cases = [line.replace("¶", "\n") for line in EXPRESSIONS.splitlines() if line.strip()]
    write("expressions.json", {"variables": VARIABLES,
                               "cases": [{"template": c, **render(c, VARIABLES)} for c in cases]})
    print(len(goldens), "renderings,", len(cases), "expressions")


if __name__ == "__main__":
    main()
