"""How the page of docs.py looks: its style sheet.

Owns no content. Light and dark follow the reader's system; from 360 pixels up nothing but code scrolls sideways.
"""

from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5c6670; --line: #dfe3e7; --back: #fff; --panel: #f5f7f8;
  --link: #0b57a4; --get: #0b6b3a; --post: #0b57a4; --put: #8a5200; --patch: #8a5200; --delete: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7ea; --soft: #9aa5b0; --line: #30363c; --back: #14171a;
  --panel: #1d2226; --link: #8ab8ff; --get: #6fcf97; --post: #8ab8ff; --put: #f2b866; --patch: #f2b866;
  --delete: #ff8f85; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0; background: var(--back); color: var(--ink); font: 16px/1.55 system-ui, sans-serif;
  overflow-wrap: anywhere; }
a { color: var(--link); text-decoration: none; }
a:hover, p a, dd a { text-decoration: underline; }
main { max-width: 52rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.7rem; margin: .5rem 0; } h2 { font-size: 1.35rem; margin: 3rem 0 .5rem; }
h3 { font-size: 1.05rem; margin: 0 0 .5rem; } h4 { font-size: .9rem; margin: 1rem 0 .3rem; color: var(--soft); }
h3 > a { color: inherit; } small { color: var(--soft); font-weight: normal; }
p { margin: .5rem 0; }
article { border: 1px solid var(--line); border-radius: .5rem; padding: 1rem; margin: 1rem 0; }
article:target { border-color: var(--link); box-shadow: 0 0 0 1px var(--link); }
code, pre { font: .875em/1.5 ui-monospace, monospace; }
pre { background: var(--panel); border-radius: .4rem; padding: .75rem; overflow-x: auto; margin: .75rem 0;
  overflow-wrap: normal; }
dl { margin: .3rem 0; } dt { margin-top: .5rem; } dd { margin: 0 0 0 1rem; }
.type, .codes, summary { color: var(--soft); font-size: .9em; }
summary { cursor: pointer; }
.required { color: var(--delete); font-size: .75em; font-weight: 600; }
.status { font-family: ui-monospace, monospace; }
.method { font: 600 .75rem ui-monospace, monospace; }
.get { color: var(--get); } .post { color: var(--post); } .put { color: var(--put); } .patch { color: var(--patch); }
.delete { color: var(--delete); }
nav { padding: 1rem; border-bottom: 1px solid var(--line); font-size: .9rem; }
nav ul { list-style: none; margin: 0; padding-left: .75rem; } nav li { margin: .25rem 0; }
.try { display: grid; grid-template-columns: minmax(0, 1fr); gap: .5rem; margin: .75rem 0; }
.try label, .token label { color: var(--soft); font-size: .9rem; display: grid; gap: .2rem; }
.try .row { display: flex; gap: .5rem; align-items: end; } .try .row label { flex: 1; min-width: 0; }
input, textarea, button { font: .875rem/1.5 ui-monospace, monospace; color: var(--ink); background: var(--back);
  border: 1px solid var(--soft); border-radius: .4rem; padding: .4rem .6rem; width: 100%; }
button { font: 600 .9rem/1.5 system-ui, sans-serif; cursor: pointer; background: var(--panel); width: auto; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.try output { display: block; } .try output:empty { display: none; }
.try pre { max-height: 24rem; overflow-y: auto; margin: 0; }
@media (min-width: 40rem) { dl { display: grid; grid-template-columns: minmax(9rem, max-content) 1fr; gap: .3rem 1rem; }
  dt, dd { margin: 0; } }
@media (min-width: 70rem) { body { display: grid; grid-template-columns: 20rem 1fr; }
  nav { position: sticky; top: 0; height: 100vh; overflow-y: auto; border: 0; border-right: 1px solid var(--line); } }
"""
