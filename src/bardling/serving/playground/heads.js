// A head of attention as numbers and as a picture. Rows are tokens, and may end with the token itself.

/** Return what token `place` takes of each, or what each takes of it. */
export function weightsOf(rows, place, way) {
  if (way === "at") return rows.map((_, one) => rows[place][one] || 0);
  return rows.map((row) => row[place] || 0);
}

/** Return in a few words what a head mostly does in this text. */
export function habit(rows, tokens) {
  const shares = { "the token before": 0, itself: 0, "the first token": 0, "the same token before": 0,
    "what came after the same token": 0 };
  let counted = 0;
  rows.forEach((row, place) => {
    if (place < 2) return;
    counted += 1;
    shares["the token before"] += row[place - 1];
    shares.itself += row[place];
    shares["the first token"] += row[0];
    for (let one = 0; one < place; one += 1) {
      if (one && one !== place - 1 && tokens[one].id === tokens[place].id) shares["the same token before"] += row[one];
      if (one && one !== place - 1 && tokens[one - 1].id === tokens[place].id) {
        shares["what came after the same token"] += row[one];
      }
    }
  });
  if (!counted) return "too short to tell";
  const [name, sum] = Object.entries(shares).sort((a, b) => b[1] - a[1])[0];
  const share = sum / counted;
  return share < 0.3 ? "spread over many tokens" : `${Math.round(share * 100)} % on ${name}`;
}

/** Draw a head; the row of `marked` is framed. */
export function drawHead(canvas, rows, size, marked = null) {
  const style = getComputedStyle(document.documentElement);
  const pen = canvas.getContext("2d");
  canvas.width = size;
  canvas.height = size;
  const cell = size / rows.length;
  pen.fillStyle = style.getPropertyValue("--sunken");
  pen.fillRect(0, 0, size, size);
  pen.fillStyle = style.getPropertyValue("--accent");
  rows.forEach((row, y) => {
    row.forEach((weight, x) => {
      if (weight < 0.004) return;
      pen.globalAlpha = Math.sqrt(weight);
      const left = Math.floor(x * cell);
      const top = Math.floor(y * cell);
      pen.fillRect(left, top, Math.floor((x + 1) * cell) - left, Math.floor((y + 1) * cell) - top);
    });
  });
  pen.globalAlpha = 1;
  if (marked === null || marked === undefined) return;
  pen.strokeStyle = style.getPropertyValue("--ink");
  pen.lineWidth = 2;
  pen.strokeRect(1, Math.floor(marked * cell) + 1, size - 2, Math.max(3, Math.ceil(cell) - 1));
}
