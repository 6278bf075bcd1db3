/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket: packets in, checked, and answers out, queued while the client does not read.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/control.h"

#include "base/log.h"
#include "base/unix.h"

#define QUEUE_MAX 65536u

struct control_packet {
	struct control_packet *next;
	uint32_t bytes;
	union backend_message m;
};

static void accepted(struct acceptor *a, int fd);

static void drop_client(struct control *c, const char *why)
{
	if (c->fd < 0)
		return;
	log_line(LOG_INFO, "op=client-gone reason=\"%s\"", why);
	ev_io_stop(c->loop, &c->reading);
	ev_io_stop(c->loop, &c->writing);
	(void)close(c->fd);
	c->fd = -1;
	while (c->first) {
		struct control_packet *next = c->first->next;

		free(c->first);
		c->first = next;
	}
	c->tail = &c->first;
	c->queued = 0;
	if (c->listener < 0)
		ev_break(c->loop, EVBREAK_ALL);
	else
		acceptor_start(&c->accepting, c->loop, c->listener, accepted, c);
}

static int transmit(const struct control *c, const void *m, uint32_t bytes)
{
	return send(c->fd, m, bytes, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

static void on_writable(struct ev_loop *loop, ev_io *w, int events)
{
	struct control *c = w->data;

	(void)events;
	while (c->first) {
		struct control_packet *p = c->first;
		int rc = transmit(c, &p->m, p->bytes);

		if (rc == -EAGAIN)
			return;
		if (rc < 0) {
			drop_client(c, strerror(-rc));
			return;
		}
		c->first = p->next;
		c->queued--;
		free(p);
	}
	c->tail = &c->first;
	ev_io_stop(loop, w);
}

/* Sends now or queues. A client that does not read is disconnected; it can LIST after it has
 * connected again. */
static void put(struct control *c, void *m, uint16_t type, uint32_t bytes)
{
	struct backend_head *head = m;
	struct control_packet *p;

	head->version = BACKEND_VERSION;
	head->type = type;
	head->bytes = bytes;
	if (c->fd < 0)
		return;
	if (!c->first) {
		int rc = transmit(c, m, bytes);

		if (rc == 0)
			return;
		if (rc !=
		    -EAGAIN) /* reading finds the end, too, when nothing is in the middle of it */
			return;
	}
	p = c->queued < QUEUE_MAX ? malloc(sizeof(*p)) : NULL;
	if (!p) {
		(void)shutdown(c->fd, SHUT_RDWR);
		return;
	}
	p->next = NULL;
	p->bytes = bytes;
	memcpy(&p->m, m, bytes);
	*c->tail = p;
	c->tail = &p->next;
	c->queued++;
	ev_io_start(c->loop, &c->writing);
}

static void reply(struct control *c, uint16_t type, uint64_t id, int err, const char *text,
		  uint64_t sectors)
{
	struct backend_reply r = {.head = {.id = id}, .err = (uint32_t)err, .sectors = sectors};
	size_t len = strnlen(text, sizeof(r.text) - 1);

	memcpy(r.text, text, len);
	put(c, &r, type, sizeof(r));
}

static void send_reply(void *arg, uint16_t type, uint64_t id, int err, const char *text)
{
	reply(arg, type, id, err, text, 0);
}

static void list(struct control *c)
{
	for (const struct device *dev = c->devices->first; dev; dev = dev->next) {
		struct backend_device m = {0};

		device_tell(dev, &m);
		put(c, &m, BACKEND_DEVICE, sizeof(m));
	}
	reply(c, BACKEND_LISTED, 0, 0, "", 0);
}

static void attached(struct control *c, uint64_t id, int rc, uint64_t sectors, const struct err *e)
{
	reply(c, rc < 0 ? BACKEND_FAILED : BACKEND_ATTACHED, id, -rc, rc < 0 ? err_msg(e) : "",
	      sectors);
}

/* The size and files that a message of each type must have. */
static bool well_formed(const union backend_message *m, ssize_t got, int fd)
{
	size_t want = 0;
	bool file = false;

	if (got < (ssize_t)sizeof(m->head) || m->head.version != BACKEND_VERSION ||
	    m->head.bytes != (size_t)got)
		return false;
	switch (m->head.type) {
	case BACKEND_ATTACH_VIF:
		want = sizeof(m->vif);
		file = true;
		break;
	case BACKEND_ATTACH_VBD:
		want = sizeof(m->vbd);
		file = true;
		break;
	case BACKEND_DETACH:
	case BACKEND_LIST:
		want = sizeof(m->head);
		break;
	default:
		return false;
	}
	return (size_t)got == want && (fd >= 0) == file;
}

static void serve(struct control *c, const union backend_message *m, int fd)
{
	struct err e = {0};
	uint64_t sectors = 0;
	int rc;

	switch (m->head.type) {
	case BACKEND_ATTACH_VIF:
		rc = device_attach_vif(c->devices, &m->vif, fd, &e);
		attached(c, m->head.id, rc, 0, &e);
		break;
	case BACKEND_ATTACH_VBD:
		rc = device_attach_vbd(c->devices, &m->vbd, fd, &sectors, &e);
		attached(c, m->head.id, rc, sectors, &e);
		break;
	case BACKEND_DETACH:
		rc = device_detach(c->devices, m->head.id);
		if (rc < 0)
			reply(c, BACKEND_DETACHED, m->head.id, -rc, "no such device", 0);
		break;
	default: /* BACKEND_LIST: well_formed() lets no other through */
		list(c);
		break;
	}
}

static void on_readable(struct ev_loop *loop, ev_io *w, int events)
{
	struct control *c = w->data;
	union backend_message m;
	uint32_t nfile;
	int file = -1;
	ssize_t got = unix_receive(c->fd, &m, sizeof(m), &file, 1, &nfile);

	(void)loop;
	(void)events;
	if (got == -EAGAIN)
		return;
	if (got == -EMSGSIZE || got == -EMFILE) {
		drop_client(c, "malformed message");
		return;
	}
	if (got <= 0) {
		drop_client(c, got == 0 ? "closed" : strerror((int)-got));
		return;
	}
	if (nfile == 0)
		file = -1;
	if (!well_formed(&m, got, file)) {
		if (file >= 0)
			(void)close(file);
		drop_client(c, "malformed message");
		return;
	}
	serve(c, &m, file);
}

static void use(struct control *c)
{
	ev_io_set(&c->reading, c->fd, EV_READ);
	ev_io_set(&c->writing, c->fd, EV_WRITE);
	ev_io_start(c->loop, &c->reading);
}

static void accepted(struct acceptor *a, int fd)
{
	struct control *c = a->data;
	struct ucred who = {.uid = (uid_t)-1};
	socklen_t len = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0 || who.uid != 0) {
		log_line(LOG_WARN, "op=refused uid=%u", who.uid);
		(void)close(fd);
		return;
	}
	acceptor_stop(a); /* the next one waits until this one has gone */
	c->fd = fd;
	use(c);
	log_line(LOG_INFO, "op=client pid=%d", who.pid);
}

void control_start(struct control *c)
{
	c->tail = &c->first;
	c->devices->tell = send_reply;
	c->devices->arg = c;
	ev_init(&c->reading, on_readable);
	ev_init(&c->writing, on_writable);
	c->reading.data = c->writing.data = c;
	if (c->fd >= 0)
		use(c);
	else
		acceptor_start(&c->accepting, c->loop, c->listener, accepted, c);
}

void control_stop(struct control *c)
{
	drop_client(c, "ending");
	if (c->listener >= 0) {
		acceptor_stop(&c->accepting);
		(void)close(c->listener);
	}
}
