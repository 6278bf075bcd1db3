/* SPDX-License-Identifier: BSD-3-Clause */
/* Processes in a VM of Linux: their files, and what the agent says of them, which is checked and
 * bounded. */
#include "oci/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "oci/control.h"

#define PIECE 1000 /* of input in a message */

/* --- sessions --- */

struct session *session_new(struct linux_monitor *m, uint8_t *number)
{
	for (uint8_t i = m->holds ? 1 : 0; i < LINK_SESSIONS; i++) {
		struct session *s;

		if (m->session[i])
			continue;
		s = calloc(1, sizeof(*s));
		if (!s)
			return NULL;
		s->in = s->asker = s->out[0].fd = s->out[1].fd = -1;
		s->in_room = LINK_STREAM;
		m->session[i] = s;
		*number = i;
		return s;
	}
	return NULL;
}

void session_free(struct linux_monitor *m, uint8_t number)
{
	struct session *s = m->session[number];

	shut(&s->in);
	shut(&s->out[0].fd);
	shut(&s->out[1].fd);
	shut(&s->asker);
	free(s);
	m->session[number] = NULL;
}

/* The answer to what has asked for its start. */
static void started(struct session *s, bool keep, int rc, const char *text)
{
	struct err e = {0};

	if (s->asker < 0)
		return;
	if (rc < 0)
		(void)err_set(&e, -rc, "%s", text);
	control_say(s->asker, rc, &e);
	if (!keep)
		shut(&s->asker);
}

/* All of it is over, and its output is the engine's. */
static bool is_done(const struct session *s)
{
	return s->over && (s->out[0].fd < 0 || s->out[0].len == 0) &&
	       (s->out[1].fd < 0 || s->out[1].len == 0);
}

void sessions_end_done(struct linux_monitor *m)
{
	for (uint8_t i = 1; i < LINK_SESSIONS; i++) {
		struct session *s = m->session[i];

		if (!s || !is_done(s))
			continue;
		if (s->asker >= 0)
			control_say(s->asker, s->code, NULL);
		session_free(m, i);
	}
	if (m->session[0] && is_done(m->session[0]) && !m->ended) {
		m->ended = true;
		m->code = m->killed ? 128 + m->killed : m->session[0]->code;
	}
}

/* --- what the agent says --- */

static void take_output(struct session *s, int which, const uint8_t *data, size_t len)
{
	struct output *o = &s->out[which];

	if (len > sizeof(o->data) - o->len)
		len = sizeof(o->data) - o->len; /* more than it may */
	if (o->fd < 0) {
		o->owed += (uint32_t)len;
		return;
	}
	memcpy(o->data + o->len, data, len);
	o->len += (uint32_t)len;
}

static void root_answer(struct linux_monitor *m, bool done, const char *text)
{
	struct session *s = m->session[0];

	m->root_known = true;
	if (done)
		return;
	m->root_failed = true;
	if (!m->started)
		return; /* "start" will say so */
	started(s, false, -EIO, text);
	s->over = true;
	s->code = 127;
}

static void process_answer(struct linux_monitor *m, uint8_t number, bool done, const char *text)
{
	struct session *s = m->session[number];

	if (s->runs || s->over)
		return;
	s->runs = done;
	started(s, number > 0, done ? 0 : s->no_such ? -ENOENT : -ENOEXEC, text);
	if (done)
		return;
	s->over = true;
	s->code = 127;
	if (number > 0)
		shut(&s->asker);
}

void session_message(struct linux_monitor *m, uint8_t type, uint8_t number, const uint8_t *data,
		     size_t len)
{
	struct session *s = number < LINK_SESSIONS ? m->session[number] : NULL;
	char text[LINK_MESSAGE + 1];

	if (!s)
		return;
	memcpy(text, data, len);
	text[len] = '\0';
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
	if (type == LINK_DONE || type == LINK_FAILED) {
		if (number == 0 && !m->root_known)
			root_answer(m, type == LINK_DONE, text);
		else
			process_answer(m, number, type == LINK_DONE, text);
	} else if (type == LINK_WHY && len == 4) {
		s->no_such = link_get32(data) == ENOENT;
	} else if (type == LINK_OUTPUT && s->runs) {
		take_output(s, 0, data, len);
	} else if (type == LINK_ERRORS && s->runs) {
		take_output(s, 1, data, len);
	} else if (type == LINK_INPUT_ROOM && len == 4) {
		uint32_t more = link_get32(data);

		if (more <= LINK_STREAM - s->in_room)
			s->in_room += more;
	} else if (type == LINK_EXIT && len == 4 && s->runs) {
		s->over = true;
		s->code = (int)(link_get32(data) & 255);
	}
}

/* --- the engine's files --- */

void session_to_engine(struct linux_monitor *m, uint8_t number, int which)
{
	struct output *o = &m->session[number]->out[which];
	size_t n = o->len < 4096 ? o->len : 4096; /* a pipe that is ready takes so many at once */
	ssize_t done = send(o->fd, o->data, n, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (done < 0 && errno == ENOTSOCK)
		done = write(o->fd, o->data, n);
	if (done < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (done <
	    0) { /* it has no reader any more: a container goes on, others are told by SIGPIPE */
		uint8_t stream = (uint8_t)which;

		shut(&o->fd);
		done = (ssize_t)o->len;
		if (number > 0)
			(void)agent_say(&m->agent, LINK_HANG_UP, number, &stream, 1);
	}
	memmove(o->data, o->data + done, o->len - (size_t)done);
	o->len -= (uint32_t)done;
	o->owed += (uint32_t)done;
}

/* In few messages: when a quarter of it is free. */
void session_tell_room(struct linux_monitor *m, uint8_t number, int which)
{
	struct output *o = &m->session[number]->out[which];
	uint8_t b[5] = {(uint8_t)which};

	if (o->owed < LINK_STREAM / 4)
		return;
	link_put32(b + 1, o->owed);
	if (agent_say(&m->agent, LINK_ROOM, number, b, sizeof(b)))
		o->owed = 0;
}

void session_drop_output(struct session *s)
{
	for (int i = 0; i < 2; i++) {
		s->out[i].owed += s->out[i].len;
		s->out[i].len = 0;
		shut(&s->out[i].fd);
	}
}

void session_hang_up(struct linux_monitor *m, uint8_t number)
{
	struct session *s = m->session[number];

	session_drop_output(s);
	shut(&s->in);
	(void)agent_say(&m->agent, LINK_HANG_UP, number, NULL, 0);
}

void session_from_engine(struct linux_monitor *m, uint8_t number)
{
	struct session *s = m->session[number];
	char data[PIECE];
	size_t most = s->in_room < PIECE ? s->in_room : PIECE;
	ssize_t n = read(s->in, data, most);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0 && s->pty) {
		session_hang_up(m, number);
		return;
	}
	if (n <= 0) {
		shut(&s->in);
		(void)agent_say(&m->agent, LINK_INPUT_END, number, NULL, 0);
		return;
	}
	s->in_room -= (uint32_t)n;
	(void)agent_say(&m->agent, LINK_INPUT, number, data, (size_t)n);
}
