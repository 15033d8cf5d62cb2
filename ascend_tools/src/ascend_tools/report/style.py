"""How a page looks: light and dark as the reader's system is, on a phone, and printed; system fonts, nothing loaded."""

CSS = """
:root{color-scheme:light dark;
--paper:#fff;--ink:#16191d;--muted:#5f6772;--rule:#dfe3e8;--wash:#f5f6f8;
--accent:#1f5fbf;--second:#b4541a;--faint:#9fb6d6;--good:#17734a;--bad:#b3261e;--warn:#8a5a00}
@media(prefers-color-scheme:dark){:root{
--paper:#121417;--ink:#e8eaed;--muted:#9aa3ae;--rule:#2c3138;--wash:#1a1d21;
--accent:#7db0ff;--second:#f0a06a;--faint:#4d6a94;--good:#5fce98;--bad:#ff8a80;--warn:#e3b341}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Noto Sans","Noto Sans CJK SC",sans-serif;-webkit-text-size-adjust:100%;font-variant-numeric:tabular-nums}
main{max-width:1040px;margin:0 auto;padding:40px 24px 64px}
header p,header h1{margin:0}
.eyebrow{color:var(--muted);font-size:14px}
h1{font-size:30px;line-height:1.2;letter-spacing:-.01em;margin:2px 0 22px!important;font-weight:650}
h2{font-size:19px;line-height:1.3;margin:52px 0 4px;padding-top:14px;border-top:1px solid var(--rule);font-weight:650}
h3{font-size:15px;margin:24px 0 8px;font-weight:600}
p{margin:6px 0 14px;max-width:70ch}
.note{color:var(--muted);font-size:14px}
.verdict{display:flex;gap:14px;align-items:baseline;flex-wrap:wrap;font-size:20px;line-height:1.35}
.verdict b{font-size:15px;letter-spacing:.02em;color:var(--paper);border-radius:5px;padding:3px 11px;background:var(--muted)}
.verdict+.verdict{margin-top:8px}
.verdict.good b{background:var(--good)}.verdict.bad b{background:var(--bad)}
.verdict span{flex:1 1 16em}
.lead{margin:26px 0 0}.lead table{font-size:17px}.lead td b{font-size:30px;letter-spacing:-.01em;line-height:1.2}
.lead tbody th{font-size:17px}.lead tbody tr>*{border-bottom-color:var(--ink)}
.lead.several td b{font-size:19px}.lead.several tbody tr:not(:last-child)>*{border-bottom-color:var(--rule)}
.lead .note{margin:4px 0}
.lead thead th{border-bottom:0;padding-bottom:0}
.tiles{display:flex;flex-wrap:wrap;gap:14px 44px;margin:22px 0 0}
.tiles div{display:flex;flex-direction:column}
.tiles dt{color:var(--muted);font-size:14px;order:2}.tiles dd{margin:0}
.tiles .value{font-size:22px;line-height:1.3;font-weight:600}
.tiles .under{font-size:14px;color:var(--muted);margin-left:8px}
.down{color:var(--bad)}
.wide{overflow-x:auto;margin:8px 0 14px}
table{border-collapse:collapse;font-size:15px;min-width:min(100%,28em)}
th,td{text-align:right;padding:6px 0 6px 26px;border-bottom:1px solid var(--rule);white-space:nowrap}
th:first-child,td:first-child{text-align:left;padding-left:0}
thead th{color:var(--muted);font-weight:500;font-size:13.5px;vertical-align:bottom}
tbody th{font-weight:500}
td.text{text-align:left;white-space:normal;overflow-wrap:anywhere;min-width:14em}
td.exact{text-align:left}
td.bar{width:40%;min-width:90px;padding-left:22px}
td.bar i{display:block;height:8px;background:var(--accent);border-radius:1px;min-width:1px;opacity:.75}
tr.best td{font-weight:600}
.apart table,.apart tbody th{font-size:15px}.apart td{padding-left:18px}.lead.apart td b{font-size:16px}
.scale{width:170px;height:22px;display:block}
ul{padding-left:1.2em;max-width:70ch;margin:8px 0 14px}
.caveats{border-left:3px solid var(--warn);padding:2px 0 2px 14px;margin:22px 0 0}
.caveats ul{margin:2px 0;padding-left:1.1em}.caveats p{margin:0}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,330px),1fr));gap:12px 40px}
.plots figure{margin:14px 0;max-width:540px}.plots figcaption{color:var(--muted);font-size:14px;margin-top:4px;max-width:62ch}
.plots svg{width:100%;height:auto;display:block}
.plots svg text{font-family:inherit!important}
.cases{display:grid;grid-template-columns:repeat(auto-fill,minmax(180px,1fr));gap:26px 20px;margin:8px 0 10px}
.cases figure,.case figure{margin:0;min-width:0;break-inside:avoid}
.frame{background:var(--wash);display:block;width:100%;height:auto;border-radius:3px}
.cases .frame{aspect-ratio:1;object-fit:contain}
.absent{aspect-ratio:1;background:var(--wash);color:var(--muted);font-size:13px;padding:14px;border-radius:3px;
overflow-wrap:anywhere}
.plots h3{margin:10px 0 6px}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:0 48px;align-items:start}
figcaption{font-size:14px;line-height:1.4}
.first{display:flex;justify-content:space-between;gap:8px;flex-wrap:wrap}
.which{color:var(--muted)}
.cases figcaption{margin-top:7px}
.cost{font-weight:600}
.key{color:var(--muted);font-size:12.5px;overflow-wrap:anywhere;display:block;margin-top:1px}
.strip{display:grid;grid-template-columns:repeat(auto-fill,minmax(78px,1fr));gap:10px 8px}
.strip figcaption{font-size:12px;line-height:1.3;margin-top:3px;overflow-wrap:anywhere}
.pairs{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,270px),1fr));gap:0 44px}
.pairs .strip{grid-template-columns:1fr 1fr;gap:4px}
.case{margin:0 0 26px;break-inside:avoid}
.right{outline:3px solid var(--good);outline-offset:-3px}.wrong{outline:3px solid var(--bad);outline-offset:-3px}
.box{fill:none;vector-effect:non-scaling-stroke;stroke-width:1.4}
.back{fill:none;vector-effect:non-scaling-stroke;stroke:#000;stroke-opacity:.45;stroke-width:3}
.box.subject{stroke-width:3}.back.subject{stroke-width:5}
.truth{stroke:#56c2ff}.found{stroke:#ffb000}.ignored{stroke:#c8c8c8;stroke-dasharray:3 3}
.false{stroke:#ff5d52;stroke-dasharray:7 3}.box.right{stroke:#ffb000;outline:0}
.kinds .truth{border-color:#2a9fe0}.kinds i.right{border-color:#e59e00;outline:0}.kinds .false{border:2px dashed #ff5d52}
h4{font-size:14px;margin:18px 0 8px;font-weight:600;color:var(--muted)}
.flips{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,310px),1fr));gap:26px 24px;margin:8px 0 10px}
.flip{break-inside:avoid;min-width:0}.flip figure{margin:0;min-width:0}.flip p{margin:0 0 4px}
.flip .frame{aspect-ratio:1;object-fit:contain}
.strips .flip{margin:0 0 26px}.strips .frame{aspect-ratio:auto}.strips .one{width:min(92px,20%)}.strips .said{margin-top:8px}
.few,.beside{display:grid;grid-template-columns:1fr 1fr;gap:6px}.flip .absent{aspect-ratio:auto}
.said{font-size:14px;line-height:1.4;min-width:0}.said p{overflow-wrap:anywhere}
.answers{margin-top:4px}
.up{color:var(--good)}.other{font-weight:650}
.sides thead th{text-align:left}td.under{min-width:8.5em}
td.under i{display:block;height:5px;background:var(--accent);border-radius:1px;min-width:1px;opacity:.75;margin:2px 0 0 auto}
.legend{display:flex;flex-wrap:wrap;gap:4px 22px;font-size:14px;color:var(--muted);margin:10px 0 0;padding:0;list-style:none}
.legend i{display:inline-block;width:15px;height:12px;border:2px solid;margin-right:7px;vertical-align:-1px}
footer{margin-top:52px;border-top:1px solid var(--rule);padding-top:12px;color:var(--muted);font-size:14px}
code{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
@media(min-width:561px) and (max-width:940px){.scale,.scales{display:none}
.lead table{font-size:15px}.lead td{padding-left:16px}}
@media(max-width:560px){.lead thead{display:none}.lead table,.lead tbody,.lead tr,.lead td,.lead th{display:block;border:0}
.sides thead{display:none}.sides table,.sides tbody,.sides tr,.sides td,.sides th{display:block;border:0;padding-left:0}
.sides td.text{display:flex;gap:12px;padding:2px 0;min-width:0}.sides tr{border-bottom:1px solid var(--rule);padding:6px 0}
.sides td::before{content:attr(data-name);color:var(--muted);font-size:13.5px;flex:0 0 5.5em;overflow-wrap:anywhere}
.times tbody th{white-space:normal}td.under{min-width:0}.verdict{row-gap:2px}.verdict span{flex-basis:100%}
.lead td{display:flex;justify-content:space-between;align-items:baseline;padding:3px 0;gap:12px}
.lead td::before{content:attr(data-name);color:var(--muted);font-size:14px}
.lead tr{border-bottom:1px solid var(--ink);padding-bottom:8px;margin-bottom:8px}
main{padding:24px 16px 40px}h1{font-size:25px}.verdict{font-size:18px}
th,td{padding-left:16px}.tiles{gap:14px 30px}.lead td b{font-size:24px}.lead table{font-size:15px}
.cases{grid-template-columns:1fr 1fr;gap:18px 12px}h2{margin-top:40px}}
@media print{:root{--paper:#fff;--ink:#000;--muted:#444;--rule:#bbb;--wash:#f2f2f2;--accent:#1f5fbf;--second:#b4541a;
--faint:#9fb6d6;--good:#17734a;--bad:#b3261e;--warn:#8a5a00}body{font-size:10pt}main{max-width:none;padding:0}
.wide{overflow:visible}table,.lead table{font-size:9.5pt}.lead td b{font-size:18pt}th,td{padding:3px 0 3px 14px}.scale{width:110px}
h2{margin-top:24px}.note,figcaption,.plots figcaption{font-size:8.5pt}.key{font-size:7.5pt}.two{break-inside:avoid}
h2,h3,h4{break-after:avoid}tr,figure{break-inside:avoid}.plots{grid-template-columns:1fr 1fr}
.strips .one{width:48px}.cases{grid-template-columns:repeat(5,1fr)}.strips .strip{grid-template-columns:repeat(11,1fr);gap:8px 5px}
.strips figcaption{font-size:6.5pt}.pairs{grid-template-columns:repeat(3,1fr);gap:0 24px}.two{grid-template-columns:1fr 1fr}*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
"""
