/* SPDX-License-Identifier: BSD-3-Clause */
/* Processes in a VM of Linux: their files, and what the agent says of them, which is checked and
 * bounded. */
#include "oci/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "base/clock.h"
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
		s->in_room = s->out[0].room = s->out[1].room = LINK_STREAM;
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
	json_decref(s->makes);
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

/* A pipe gets a description of its own here, which never waits: the engine's is left as it is. */
void session_set_output(struct session *s, int which, int fd)
{
	struct output *o = &s->out[which];
	char path[32];
	struct stat st;
	int own;

	o->fd = fd;
	o->ready = o->wide = false;
	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	o->ready = S_ISREG(st.st_mode) || S_ISSOCK(st.st_mode);
	if (!S_ISFIFO(st.st_mode))
		return;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (own < 0)
		return;
	(void)close(fd);
	o->fd = own;
	o->ready = true;
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

void monitor_fail(struct linux_monitor *m, int code, const struct err *why)
{
	m->ended = m->failed = true;
	m->code = code;
	m->why = *why;
}

/* False: it has sent more than it may, so nothing limits what the host would have to keep. */
static bool has_room(struct linux_monitor *m, struct output *o, uint8_t number, uint32_t len)
{
	struct err e = {0};

	if (len <= o->room) {
		o->room -= len;
		return true;
	}
	(void)err_set(
		&e, EPROTO,
		"the guest has sent %u bytes of output of process %u with room for %u: its VM "
		"is destroyed",
		len, number, o->room);
	monitor_fail(m, 137, &e);
	return false;
}

/* Keeps what the engine does not take at once; no more than the agent may send. */
static uint8_t *keep(struct output *o, uint32_t *len)
{
	uint8_t *to;

	if (*len > sizeof(o->data) - o->len)
		*len = (uint32_t)sizeof(o->data) - o->len;
	if (*len > sizeof(o->data) - o->at - o->len) {
		memmove(o->data, o->data + o->at, o->len);
		o->at = 0;
	}
	to = o->data + o->at + o->len;
	o->len += *len;
	return to;
}

static void take_output(struct linux_monitor *m, uint8_t number, int which, const uint8_t *data,
			size_t len)
{
	struct output *o = &m->session[number]->out[which];
	uint32_t n = (uint32_t)len;

	if (!has_room(m, o, number, n))
		return;
	if (o->fd < 0)
		o->owed += n;
	else
		memcpy(keep(o, &n), data, n);
}

static ssize_t write_pieces(int fd, const struct iovec *piece)
{
	struct msghdr h = {.msg_iov = (struct iovec *)(uintptr_t)piece, .msg_iovlen = 2};
	ssize_t n = sendmsg(fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);

	return n < 0 && errno == ENOTSOCK ? writev(fd, piece, 2) : n;
}

void session_output(struct linux_monitor *m, uint8_t number, int which,
		    const struct ring_record *rec)
{
	struct session *s = number < LINK_SESSIONS ? m->session[number] : NULL;
	struct ring_record rest = *rec;
	struct output *o;
	ssize_t n = 0;

	if (!s || !s->runs)
		return;
	o = &s->out[which];
	if (!has_room(m, o, number, rec->len))
		return;
	if (o->fd < 0)
		n = rec->len;
	else if (o->len == 0 && o->ready) {
		if (!o->wide) /* as much as is sent at once */
			(void)fcntl(o->fd, F_SETPIPE_SZ, (int)RING_SIZE);
		o->wide = true;
		n = write_pieces(o->fd, rec->data);
	}
	n = n < 0 ? 0 : n; /* the rest has the same fault */
	if (n > 0 && number == 0)
		m->taken_ms = clock_ns() / 1000000;
	o->owed += (uint32_t)n;
	rest.len -= (uint32_t)n;
	if (rest.len) {
		uint8_t *to = keep(o, &rest.len);

		ring_copy(to, rec, (uint32_t)n, rest.len);
	}
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
	if (s->asks) {
		started(s, false, done ? 0 : -EIO, text);
		s->over = true;
		return;
	}
	s->runs = done;
	started(s, number > 0, done ? 0 : s->no_such ? -ENOENT : -ENOEXEC, text);
	for (int k = 0; done && m->ring.used && k < 2; k++)
		s->out[k].owed += RING_STREAM - LINK_STREAM;
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

	if (type == LINK_RING || type == LINK_RING_USED)
		ring_message(m, type, data, len);
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
	} else if ((type == LINK_OUTPUT || type == LINK_ERRORS) && s->runs) {
		take_output(m, number, type == LINK_ERRORS, data, len);
		ring_count(m, len);
	} else if (type == LINK_INPUT_ROOM && len == 4) {
		uint32_t more = link_get32(data);

		if (more <= RING_STREAM - s->in_room)
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
	/* a pipe that is ready takes so many at once */
	size_t n = o->ready || o->len < 4096 ? o->len : 4096;
	const struct iovec piece[2] = {{o->data + o->at, n}, {NULL, 0}};
	ssize_t done = write_pieces(o->fd, piece);

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
	o->len -= (uint32_t)done;
	o->at = o->len ? o->at + (uint32_t)done : 0;
	o->owed += (uint32_t)done;
}

/* In few messages: when a quarter of it is free, or half of it with a ring. Never behind others: a
 * guest that takes none gets no more room, and cannot make this queue grow. */
void session_tell_room(struct linux_monitor *m, uint8_t number, int which)
{
	struct output *o = &m->session[number]->out[which];
	uint8_t b[5] = {(uint8_t)which};

	if (m->agent.first || o->owed < (m->ring.used ? RING_STREAM / 2 : LINK_STREAM / 4))
		return;
	link_put32(b + 1, o->owed);
	if (agent_say(&m->agent, LINK_ROOM, number, b, sizeof(b))) {
		o->room += o->owed;
		o->owed = 0;
	}
}

void session_drop_output(struct session *s)
{
	for (int i = 0; i < 2; i++) {
		s->out[i].owed += s->out[i].len;
		s->out[i].len = s->out[i].at = 0;
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

/* Input, or an archive, with a piece that is lost would be another. */
static void say_piece(struct linux_monitor *m, uint8_t type, uint8_t number, const char *data,
		      size_t len)
{
	struct err e = {0};

	if (agent_say(&m->agent, type, number, data, len)) {
		ring_count(m, len);
		return;
	}
	(void)err_set(&e, ENOMEM, "no memory for input of process %u: its VM is destroyed", number);
	monitor_fail(m, 255, &e);
}

/* The agent is not asked for a root of which something is missing. */
static void not_made(struct session *s, int rc, const char *why)
{
	started(s, false, rc, why);
	s->over = true;
}

/* Behind the archive comes what the root is to be. */
static void from_archive(struct linux_monitor *m, uint8_t number)
{
	struct session *s = m->session[number];
	char data[PIECE];
	ssize_t n = read(s->in, data, sizeof(data));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0) {
		say_piece(m, LINK_ARCHIVE, number, data, (size_t)n);
		return;
	}
	if (n < 0)
		not_made(s, -errno, "the container's archive cannot be read");
	else if (!agent_say_root_of(&m->agent, number, s->makes))
		not_made(s, -ENOMEM, "out of memory");
	shut(&s->in);
}

void session_from_engine(struct linux_monitor *m, uint8_t number)
{
	struct session *s = m->session[number];
	bool by_ring = m->agent.link.ring && !m->agent.first;
	char data[PIECE];
	size_t most = s->in_room < PIECE ? s->in_room : PIECE;
	ssize_t n;

	if (s->makes) {
		from_archive(m, number);
		return;
	}
	if (by_ring && !s->wide)
		(void)fcntl(s->in, F_SETPIPE_SZ, (int)RING_SIZE);
	s->wide = by_ring;
	n = by_ring ? ring_read(m, s->in, number, s->in_room) : read(s->in, data, most);

	if (!by_ring && n < 0)
		n = -errno;
	if (n == -EINTR || n == -EAGAIN)
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
	if (by_ring)
		return;
	say_piece(m, LINK_INPUT, number, data, (size_t)n);
}
