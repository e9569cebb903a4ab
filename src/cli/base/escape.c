#include "cli/base/escape.h"

#include "base/text.h"
#include "observe/utf8.h"

/* Appends the first character or byte of `text`, escaped. Returns the number of bytes read. */
static size_t put_escape(struct mw_buf *out, struct mw_slice text, size_t step, int *rc) {
  static const uint8_t lead_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
  uint32_t code = text.data[0] & lead_bits[step];
  for (size_t i = 1; i < step; i++) code = code << 6 | (text.data[i] & 0x3f);
  *rc = step > 1 ? mw_buf_printf(out, "\\u%04x", (unsigned)code) : mw_buf_printf(out, "\\x%02x", text.data[0]);
  return step > 1 ? step : 1;
}

static bool is_layout(uint8_t c) { return c == '\n' || c == '\t'; }

/* JSON escapes single bytes itself, so only characters of several bytes are escaped in it here. */
static int escape(struct mw_buf *out, struct mw_slice text) {
  int rc = 0;
  while (text.len > 0 && rc == 0) {
    size_t shown = 0, step = 0;
    while (shown < text.len) {
      if (text.data[shown] >= 0x20 && text.data[shown] < 0x7f) {
        shown++;
        continue;
      }
      step = mw_utf8_step(mw_slice(text.data + shown, text.len - shown));
      if (!is_layout(text.data[shown]) && !mw_text_is_displayable(text.data + shown, step)) break;
      shown += step;
    }
    rc = mw_buf_append(out, text.data, shown);
    text = mw_slice(text.data + shown, text.len - shown);
    if (text.len == 0 || rc != 0) break;
    size_t taken = put_escape(out, text, step, &rc);
    text = mw_slice(text.data + taken, text.len - taken);
  }
  return rc;
}

int mw_escape_json(struct mw_buf *out, struct mw_slice json) { return escape(out, json); }

void mw_escape_print(FILE *out, struct mw_slice text) {
  struct mw_buf escaped = MW_BUF_INIT;
  if (escape(&escaped, text) == 0) fwrite(mw_buf_str(&escaped), 1, escaped.len, out);
  mw_buf_fini(&escaped);
}
