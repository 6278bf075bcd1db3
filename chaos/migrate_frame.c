/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages between two hosts: written whole, read to the byte, checked before they are used. */
#include "chaos/migrate_frame.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

static const char magic[8] = {'c', 'h', 'a', 'o', 's', 'M', 'I', 'G'};

struct head {
	char magic[8];
	uint16_t version, type;
	uint32_t bytes;
};
_Static_assert(sizeof(struct head) == MIGRATE_HEAD, "the head of a message");

/* --- out --- */

void migrate_begin(struct wire_out *w, uint8_t body[MIGRATE_BODY])
{
	*w = (struct wire_out){.buf = body, .room = MIGRATE_BODY};
}

static int write_all(int fd, const uint8_t *at, size_t left, struct err *e)
{
	while (left) {
		ssize_t n = write(fd, at, left);
		struct pollfd p = {.fd = fd, .events = POLLOUT};

		if (n < 0 && errno == EAGAIN)
			(void)poll(&p, 1, -1);
		else if (n < 0 && errno == EPIPE)
			return err_set(e, EPIPE, "the other side closed the connection");
		else if (n < 0 && errno != EINTR)
			return err_sys(e, errno, "write to the other side");
		if (n > 0) {
			at += n;
			left -= (size_t)n;
		}
	}
	return 0;
}

int migrate_send(int fd, enum migrate_type type, const struct wire_out *w, struct err *e)
{
	uint8_t frame[MIGRATE_HEAD + MIGRATE_BODY];
	struct head h = {
		.version = MIGRATE_VERSION, .type = (uint16_t)type, .bytes = w ? w->len : 0};

	if (w && w->overflow)
		return err_set(e, E2BIG, "a message of more than %u bytes", MIGRATE_BODY);
	memcpy(h.magic, magic, sizeof(magic));
	memcpy(frame, &h, sizeof(h));
	if (h.bytes)
		memcpy(frame + sizeof(h), w->buf, h.bytes);
	return write_all(fd, frame, sizeof(h) + h.bytes, e);
}

/* --- in --- */

int migrate_parse_head(const uint8_t head[MIGRATE_HEAD], struct migrate_message *m, struct err *e)
{
	struct head h;

	memcpy(&h, head, sizeof(h));
	if (memcmp(h.magic, magic, sizeof(magic)) != 0)
		return err_set(e, EPROTO,
			       "the other side is not chaos, or its shell prints text before chaos "
			       "starts");
	if (h.version != MIGRATE_VERSION)
		return err_set(
			e, EPROTONOSUPPORT,
			"the other side speaks version %u of the protocol, this side version %u",
			h.version, MIGRATE_VERSION);
	if (h.type == 0 || h.type >= MIGRATE_TYPES || h.bytes > MIGRATE_BODY)
		return err_set(e, EPROTO, "the other side sent a malformed message");
	m->type = (enum migrate_type)h.type;
	m->bytes = h.bytes;
	return 0;
}

int migrate_parse_body(struct migrate_message *m, struct err *e)
{
	const struct wire_field f = {.data = m->body, .len = m->bytes};

	if (wire_nested(&m->in, &f) < 0)
		return err_set(e, EPROTO, "the other side sent a malformed message");
	return 0;
}

void migrate_tame(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || (unsigned char)*text >= 0x7f)
			*text = '?';
}

static int read_all(int fd, uint8_t *at, size_t left, uint64_t until, struct err *e)
{
	while (left) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		uint64_t now = clock_ns();
		int ms = until == UINT64_MAX ? -1
			 : now < until	     ? (int)((until - now) / 1000000 + 1)
					     : 0;
		int ready = poll(&p, 1, ms);
		ssize_t n = ready > 0 ? read(fd, at, left) : -1;

		if (ready == 0)
			return err_set(e, ETIMEDOUT, "the other side does not answer");
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return err_set(e, EPIPE, "the other side closed the connection");
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return err_sys(e, errno, "read from the other side");
		if (n > 0) {
			at += n;
			left -= (size_t)n;
		}
	}
	return 0;
}

static int refusal(const struct migrate_message *m, struct err *e)
{
	char text[ERR_MSG_MAX];
	uint32_t code = wire_get_u32(&m->in, PROTO_CODE, EIO);

	if (!wire_get_text(&m->in, PROTO_TEXT, text, sizeof(text)))
		text[0] = '\0';
	migrate_tame(text);
	(void)err_set(e, code > 0 && code < 4096 ? (int)code : EIO, "%s", text);
	return -ECANCELED;
}

int migrate_receive(int fd, struct migrate_message *m, int ms, struct err *e)
{
	uint64_t until = ms < 0 ? UINT64_MAX : clock_ns() + (uint64_t)ms * 1000000;
	uint8_t head[MIGRATE_HEAD];
	int rc = read_all(fd, head, sizeof(head), until, e);

	if (rc == 0)
		rc = migrate_parse_head(head, m, e);
	if (rc == 0)
		rc = read_all(fd, m->body, m->bytes, until, e);
	if (rc == 0)
		rc = migrate_parse_body(m, e);
	return rc == 0 && m->type == MIGRATE_NO ? refusal(m, e) : rc;
}
