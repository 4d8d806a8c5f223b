"""How the page looks, and what it does in the browser alone: theme, styles and scripts."""

from __future__ import annotations

import gradio as gr

from reage.edit.masks import REGIONS
from reage.web import texts

SHOW_RESULT = """() => {
  const shown = [...document.querySelectorAll('#picture, #pair')].find(part => part.checkVisibility());
  const box = shown?.getBoundingClientRect();
  if (box && (box.top < 0 || box.bottom > window.innerHeight))
    document.querySelector('#people').scrollIntoView({behavior: 'smooth', block: 'start'});
}"""
"""Scrolls to the picture, which on a phone lies below the portraits, and above the choice of how to see it."""

MOVE = f"""async (token, face, everybody, view, compare, age, strength, gender, source, picture, after, ...parts) => {{
  const answered = (shown, told, undo, redo) => {{
    const beside = compare === '{texts.BESIDE}';
    const can = possible => possible === undefined ? undefined : {{__type__: 'update', interactive: possible}};
    const file = {{path: 'after.jpg', url: shown}};
    const pair = shown && picture && !beside ? [picture[0], {{...picture[1], ...file}}] : undefined;
    return [pair, shown && beside ? {{...after, ...file}} : undefined, told, can(undo), can(redo)];
  }};
  if (!token) return answered(null, '{texts.NOTHING_OPEN}');
  window.reageChanges += 1;
  const mine = window.reageMoves = (window.reageMoves || 0) + 1;
  await window.reageMoving;
  if (mine !== window.reageMoves) return answered();
  let arrived;
  window.reageMoving = new Promise(resolve => {{ arrived = resolve; }});
  try {{
    const names = {list(REGIONS)};
    const regions = Object.fromEntries(names.map((name, i) => [name, parts[i]]));
    const asked = {{token, face, everybody, view, age, strength, gender, source, regions}};
    const answer = await fetch('move', {{method: 'POST', body: JSON.stringify(asked)}});
    const moved = await answer.json();
    if (!answer.ok) return answered(null, moved.detail);
    return answered(moved.picture, moved.told, moved.undo, moved.redo);
  }} catch {{
    return answered(null, '{texts.NO_ANSWER}');
  }} finally {{
    arrived();
  }}
}}"""
"""Asks `Moves` for the picture. One request at a time: of the moves meanwhile, only the last is sent after it."""

EMPTY = "() => null"
"""Frees a component for the next photo."""

SAVE = """(file) => {
  if (!file) return;
  const link = document.createElement('a');
  link.href = file.url;
  link.download = file.orig_name || '';
  link.click();
  window.reageSaved = window.reageChanges;
}"""
"""Hands a file that is ready to the browser, so that one click downloads."""

NAME_PICTURES = f"""() => {{
  const texts = {{
    '#picture': ['{texts.BEFORE}', '{texts.PICTURE}'], '#before': ['{texts.BEFORE}'], '#after': ['{texts.PICTURE}'],
    '#strip': ['{texts.STRIP}'], '#moving': ['{texts.FILM}']
  }};
  const name = () => {{
    for (const [place, alts] of Object.entries(texts))
      document.querySelectorAll(place + ' img').forEach((image, i) => {{ image.alt ||= alts[i] || alts.at(-1); }});
    for (const image of document.querySelectorAll('.thumbnail-item img'))
      image.closest('button').ariaLabel = image.alt;
    for (const place of document.querySelectorAll('.empty[aria-label]')) place.role = 'img';
    document.querySelector('#about')?.setAttribute('tabindex', '0');
  }};
  new MutationObserver(name).observe(document.body, {{childList: true, subtree: true}});
  name();
}}"""
"""Tells screen readers what pictures show: Gradio leaves that empty, and calls thumbnails by their numbers. Lets the
keyboard reach the long text about the model, which scrolls on phones."""

KEEP_WORK = """() => {
  window.reageShown = () => {
    const shown = [...document.querySelectorAll('#picture img, #after img')].filter(image => image.checkVisibility());
    return shown.at(-1);
  };
  window.reageChanges = 0;
  document.addEventListener('click', event => {
    if (event.target.closest('#presets button, button#undo, button#redo')) window.reageChanges += 1;
  });
  window.addEventListener('beforeunload', event => {
    const undo = document.querySelector('button#undo');
    if (undo && !undo.disabled && window.reageChanges !== window.reageSaved) event.preventDefault();
  });
}"""
"""Asks before the page is left with changes that were neither downloaded nor shared."""

CHANGE = "() => { window.reageChanges += 1; }"
"""Counts a change of the picture; moves and buttons count themselves."""

ON_LOAD = f"() => {{ ({NAME_PICTURES})(); ({KEEP_WORK})(); }}"

SHARE = f"""async () => {{
  const picture = window.reageShown();
  const button = document.querySelector('button#share');
  const say = text => {{
    button.textContent = text;
    setTimeout(() => {{ button.textContent = '{texts.SHARE}'; }}, 2500);
  }};
  if (!picture) return say('{texts.NOTHING_TO_SHARE}');
  const file = parts => new File(parts, 'aged.jpg', {{type: 'image/jpeg'}});
  try {{
    if (navigator.canShare?.({{files: [file([])]}})) {{
      const blob = await (await fetch(picture.src)).blob();
      await navigator.share({{files: [file([blob])], text: '{texts.SHARED}'}});
    }} else {{
      const canvas = document.createElement('canvas');
      canvas.width = picture.naturalWidth;
      canvas.height = picture.naturalHeight;
      const pen = canvas.getContext('2d');
      const size = Math.max(12, Math.round(canvas.width / 40));
      pen.drawImage(picture, 0, 0);
      pen.font = `${{size}}px sans-serif`;
      const width = pen.measureText('AI-edited').width;
      pen.fillStyle = 'rgb(0 0 0 / 60%)';
      pen.fillRect(canvas.width - width - 2 * size, canvas.height - 2.2 * size, width + 1.2 * size, 1.6 * size);
      pen.fillStyle = 'white';
      pen.fillText('AI-edited', canvas.width - width - 1.4 * size, canvas.height - size);
      const copied = new Promise(done => canvas.toBlob(done, 'image/png'));
      await navigator.clipboard.write([new ClipboardItem({{'image/png': copied}})]);
      say('{texts.COPIED}');
    }}
    window.reageSaved = window.reageChanges;
  }} catch (error) {{
    if (error.name !== 'AbortError') say('{texts.NEITHER}');
  }}
}}"""
"""Shares the picture where the browser can, as phones do, and else copies it. A copy has no metadata that could say
that it is AI-edited, so that is written on it."""

THEME = gr.themes.Base(
    primary_hue="teal",
    neutral_hue="stone",
    font=["system-ui", "sans-serif"],  # of the visitor's machine: nothing is fetched from elsewhere
    font_mono=["ui-monospace", "monospace"],
).set(  # with contrast enough to be read: at least 4.5 to 1
    color_accent="var(--reage-accent)",
    link_text_color="var(--reage-accent)",
    link_text_color_dark="var(--reage-accent)",
    link_text_color_visited="var(--reage-accent)",
    link_text_color_visited_dark="var(--reage-accent)",
    body_text_color_subdued="*neutral_600",
    body_text_color_subdued_dark="*neutral_300",
    input_placeholder_color="*neutral_600",
    input_placeholder_color_dark="*neutral_300",
    button_primary_background_fill="*primary_700",
    button_primary_background_fill_dark="*primary_700",
    button_primary_background_fill_hover="*primary_800",
    button_primary_background_fill_hover_dark="*primary_800",
)

CSS = """
:root { --reage-accent: #0f766e; }
.dark { --reage-accent: #2dd4bf; }
.edited { position: relative; }
.edited:has(img, video)::after {
  content: "AI-edited"; position: absolute; right: 12px; bottom: 12px; padding: 2px 8px; border-radius: 4px;
  background: rgb(0 0 0 / 60%); color: white; font-size: 12px; pointer-events: none; z-index: 50;
}
#faces .grid-wrap, #portraits .grid-wrap { min-height: 0; max-height: none; padding: 6px; }
#faces .grid-container, #portraits .grid-container {
  grid-template-columns: repeat(auto-fill, minmax(84px, 1fr)) !important; gap: 6px;
}
#faces .grid-container { grid-template-columns: repeat(auto-fill, minmax(100px, 1fr)) !important; }
#faces .gallery-item { max-width: 120px; }
#portraits .caption-label { display: none; }
#faces .caption-label { left: 0; right: 0; max-width: 100%; padding: 1px 4px; font-size: 12px; border: 0; }
#presets, #steps { gap: 6px; }
#presets button, #steps button { flex: 1 1 auto; padding: 4px 8px; }
#pair { gap: 6px; flex-wrap: nowrap; }
#pair > * { min-width: 0 !important; }
#pair img { max-height: 430px; object-fit: contain; }
#intro h1 { margin-bottom: 0; }
footer { display: none !important; }
"""
