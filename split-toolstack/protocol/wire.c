/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames: every length is checked against what is there before it is used. */
#include <errno.h>
#include <string.h>

#include "split-toolstack/protocol/wire.h"

void wire_begin(struct wire_out *w, void *buf, uint32_t room, enum proto_op op, uint32_t tag)
{
	struct proto_header h = {
		.magic = PROTO_MAGIC, .version = PROTO_VERSION, .op = (uint16_t)op, .tag = tag};

	*w = (struct wire_out){.buf = buf, .len = sizeof(h), .room = room};
	memcpy(w->buf, &h, sizeof(h));
}

void wire_bytes(struct wire_out *w, enum proto_id id, const void *data, uint32_t len)
{
	struct proto_field f = {.id = (uint16_t)id, .bytes = len};

	if (w->overflow || w->room - w->len < sizeof(f) || w->room - w->len - sizeof(f) < len) {
		w->overflow = true;
		return;
	}
	memcpy(w->buf + w->len, &f, sizeof(f));
	if (len)
		memcpy(w->buf + w->len + sizeof(f), data, len);
	w->len += (uint32_t)sizeof(f) + len;
}

void wire_text(struct wire_out *w, enum proto_id id, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	if (len > w->room)
		w->overflow = true;
	else if (text)
		wire_bytes(w, id, text, (uint32_t)len);
}

void wire_u32(struct wire_out *w, enum proto_id id, uint32_t v)
{
	wire_bytes(w, id, &v, sizeof(v));
}

void wire_u64(struct wire_out *w, enum proto_id id, uint64_t v)
{
	wire_bytes(w, id, &v, sizeof(v));
}

uint32_t wire_open(struct wire_out *w, enum proto_id id)
{
	uint32_t mark = w->len;

	wire_bytes(w, id, NULL, 0);
	return mark;
}

void wire_close(struct wire_out *w, uint32_t mark)
{
	struct proto_field f;

	if (w->overflow)
		return;
	memcpy(&f, w->buf + mark, sizeof(f));
	f.bytes = w->len - mark - (uint32_t)sizeof(f);
	memcpy(w->buf + mark, &f, sizeof(f));
}

uint32_t wire_end(struct wire_out *w)
{
	if (w->overflow)
		return 0;
	memcpy(w->buf + offsetof(struct proto_header, bytes), &w->len, sizeof(w->len));
	return w->len;
}

/* --- taking apart --- */

/* All fields lie inside, have known ids and zero reserved bytes. */
static int check_fields(const uint8_t *at, uint32_t bytes)
{
	while (bytes) {
		struct proto_field f;

		if (bytes < sizeof(f))
			return -EPROTO;
		memcpy(&f, at, sizeof(f));
		bytes -= (uint32_t)sizeof(f);
		if (f.bytes > bytes || f.id == 0 || f.id >= PROTO_ID_END || f.reserved != 0)
			return -EPROTO;
		at += sizeof(f) + f.bytes;
		bytes -= f.bytes;
	}
	return 0;
}

int wire_parse(struct wire_in *in, const void *frame, size_t len)
{
	memset(in, 0, sizeof(*in));
	if (len < sizeof(in->h) || len > PROTO_FRAME_MAX)
		return -EPROTO;
	memcpy(&in->h, frame, sizeof(in->h));
	if (in->h.magic != PROTO_MAGIC)
		return -EPROTO;
	if (in->h.version != PROTO_VERSION)
		return -EPROTONOSUPPORT;
	if (in->h.bytes != len || in->h.op == 0 || in->h.op >= PROTO_OP_END)
		return -EPROTO;
	in->fields = (const uint8_t *)frame + sizeof(in->h);
	in->bytes = (uint32_t)(len - sizeof(in->h));
	return check_fields(in->fields, in->bytes);
}

int wire_nested(struct wire_in *in, const struct wire_field *f)
{
	memset(in, 0, sizeof(*in));
	in->fields = f->data;
	in->bytes = f->len;
	return check_fields(in->fields, in->bytes);
}

bool wire_next(const struct wire_in *in, uint32_t *at, struct wire_field *out)
{
	struct proto_field f;

	if (*at >= in->bytes)
		return false;
	memcpy(&f, in->fields + *at, sizeof(f));
	*out = (struct wire_field){
		.id = (enum proto_id)f.id, .data = in->fields + *at + sizeof(f), .len = f.bytes};
	*at += (uint32_t)sizeof(f) + f.bytes;
	return true;
}

bool wire_find(const struct wire_in *in, enum proto_id id, struct wire_field *out)
{
	uint32_t at = 0;

	while (wire_next(in, &at, out))
		if (out->id == id)
			return true;
	return false;
}

uint32_t wire_get_u32(const struct wire_in *in, enum proto_id id, uint32_t none)
{
	struct wire_field f;

	if (wire_find(in, id, &f) && f.len == sizeof(none))
		memcpy(&none, f.data, sizeof(none));
	return none;
}

uint64_t wire_get_u64(const struct wire_in *in, enum proto_id id, uint64_t none)
{
	struct wire_field f;

	if (wire_find(in, id, &f) && f.len == sizeof(none))
		memcpy(&none, f.data, sizeof(none));
	return none;
}

bool wire_field_text(const struct wire_field *f, char *to, size_t room)
{
	if (f->len >= room || memchr(f->data, '\0', f->len))
		return false;
	memcpy(to, f->data, f->len);
	to[f->len] = '\0';
	return true;
}

bool wire_get_text(const struct wire_in *in, enum proto_id id, char *to, size_t room)
{
	struct wire_field f;

	return wire_find(in, id, &f) && wire_field_text(&f, to, room);
}
