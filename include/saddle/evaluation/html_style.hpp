#pragma once

namespace saddle {

/// Style sheet of the report's page: readable from a phone to paper, light and dark.
inline constexpr const char* page_style = R"css(
:root{color-scheme:light dark;
--sans:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","Noto Sans","DejaVu Sans",sans-serif;
--page:#f6f6f4;--surface:#fff;--ink:#1c2126;--muted:#5d6670;--hairline:#e3e4e1;--accent:#0f5c9c;--warn-ink:#7a4300;
--warn:#fff4df;--warn-line:#e7c27f;--bad:#b3261e;
--c0:#0f66ae;--c1:#c8500a;--c2:#0a7d5c;--c3:#8746a6;--c4:#96700a;--c5:#b8285a;--c6:#2a8fa3;--c7:#59636e}
@media (prefers-color-scheme:dark){:root{--page:#14171a;--surface:#1c2024;--ink:#e6e8ea;--muted:#9ba4ad;--hairline:#31373d;
--accent:#7db9ee;
--warn-ink:#f3d19a;--warn:#33290f;--warn-line:#6d5620;--bad:#ff8a80;
--c0:#6db3f2;--c1:#f5935a;--c2:#4fc9a2;--c3:#c99ae4;--c4:#dfbd55;--c5:#f3839f;--c6:#6fcbdc;--c7:#a9b3bd}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.55 var(--sans);-webkit-text-size-adjust:100%}
header,main,footer{max-width:1180px;margin:0 auto;padding:0 clamp(1rem,3vw,2rem)}
header{padding-top:2.75rem}
h1{font-size:clamp(1.6rem,3vw,2.1rem);line-height:1.2;letter-spacing:-.015em;margin:0 0 .35rem;font-weight:650;
overflow-wrap:anywhere}
.lead{color:var(--muted);margin:0;font-size:1.05rem}
.facts{display:flex;flex-wrap:wrap;gap:.6rem 2.25rem;margin:1.5rem 0 0;padding:1rem 0;border:solid var(--hairline);
border-width:1px 0}
.facts div{min-width:0}
.facts dt{font-size:.75rem;color:var(--muted)}
.facts dd{margin:0;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
section{margin:2.75rem 0 0}
h2{font-size:1.25rem;font-weight:650;letter-spacing:-.01em;margin:0 0 .25rem}
h3{font-size:1rem;font-weight:600;margin:0}
.about{color:var(--muted);margin:0 0 1rem;max-width:95ch}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,330px),1fr));gap:1rem}
.card,figure{background:var(--surface);border:1px solid var(--hairline);border-radius:8px;padding:1.1rem 1.25rem;margin:0;
min-width:0}
.card{display:flex;flex-direction:column}.card .meters{margin-top:auto}
.card h3{overflow-wrap:anywhere}
.card .sub{color:var(--muted);font-size:.875rem;margin:.1rem 0 .9rem;overflow-wrap:anywhere}
.meters{display:grid;grid-template-columns:minmax(4rem,max-content) 1fr max-content max-content;gap:.4rem .8rem;
align-items:center;font-size:.875rem;margin:0}
.meters .name{overflow-wrap:anywhere}
.track{height:10px;background:var(--hairline);border-radius:2px;overflow:hidden}
.fill{display:block;height:100%;background:var(--c)}
.fill.clean{opacity:.45}
.value{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap;font-weight:600}
.range{color:var(--muted);font-size:.78rem;text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,460px),1fr));gap:1rem}
figure h3{margin-bottom:.9rem}
figcaption{color:var(--muted);font-size:.8125rem;margin-top:.35rem}
.scroll{overflow-x:auto;background:var(--surface);border:1px solid var(--hairline);border-radius:8px}
table{border-collapse:collapse;width:100%;font-size:.84rem;font-variant-numeric:tabular-nums}
th,td{padding:.34rem .7rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--hairline)}
tbody tr:last-child>*{border-bottom:0}
thead th{font-weight:600;color:var(--muted);font-size:.76rem;vertical-align:bottom}
.t{text-align:left}
tbody th.group{text-align:left;font-weight:600;padding-top:.8rem;background:var(--surface);white-space:normal}
td.strong{font-weight:600}td b{font-weight:600}
td small{color:var(--muted);font-size:.95em;font-weight:400;margin-left:.35rem}
td.code{font-family:ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;font-size:.78rem;white-space:normal;
text-align:left;min-width:24rem}
tbody tr:hover td{background:color-mix(in srgb,var(--accent) 6%,transparent)}
details{margin-top:1rem}
summary{cursor:pointer;color:var(--accent);font-weight:500;width:max-content;max-width:100%}
details>.scroll{margin-top:.6rem}
.notes{background:var(--warn);color:var(--warn-ink);border:1px solid var(--warn-line);border-radius:8px;padding:.8rem 1.1rem;
margin-top:1.5rem}
.notes ul{margin:.2rem 0 0;padding-left:1.1rem}
.pictures{display:flex;flex-wrap:wrap;gap:1rem}
.pictures figure{width:min-content;min-width:min(100%,352px);max-width:100%;overflow-x:auto}
.shots{width:auto;font-size:.78rem}
.shots th,.shots td{border:0;padding:.15rem .25rem .5rem;text-align:center;white-space:normal;max-width:9rem}
.shots thead th{padding-bottom:.35rem}
.shots tbody tr:hover td{background:none}
.shots img{display:block;width:96px;height:auto;image-rendering:pixelated;border:1px solid var(--hairline);border-radius:3px;
margin:0 auto .2rem}
.shots .wrong{color:var(--bad);font-weight:600}
.method{columns:2 26rem;column-gap:2.5rem;color:var(--muted);font-size:.9rem}
.method p{margin:0 0 .7rem;break-inside:avoid}
.method b{color:var(--ink);font-weight:600}
footer{color:var(--muted);font-size:.8125rem;margin-top:3rem;padding-top:1rem;padding-bottom:2.5rem}
@media print{body{background:#fff;font-size:11px}section{break-inside:avoid-page}.card,figure,.scroll{break-inside:avoid}
details>*{display:block}}
)css";

}  // namespace saddle
