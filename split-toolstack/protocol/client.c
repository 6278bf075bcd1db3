/* SPDX-License-Identifier: BSD-3-Clause */
/* Connecting, sending with files, receiving. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/unix.h"
#include "split-toolstack/protocol/client.h"

static int explain(struct err *e, int code, const char *path)
{
	if (code == ENOENT || code == ECONNREFUSED)
		return err_set(
			e, code,
			"chaosd is not running (no answer on %s): start it with \"systemctl start "
			"chaosd\"",
			path);
	if (code == EACCES || code == EPERM)
		return err_set(
			e, code,
			"no permission for %s: run as root or as a member of the group \"chaos\"",
			path);
	if (code == ENAMETOOLONG)
		return err_set(e, code, "socket \"%s\": the path is too long", path);
	return err_sys(e, code, "connect to %s", path);
}

int client_open(struct client *c, const char *path, struct err *e)
{
	int rc;

	memset(c, 0, sizeof(*c));
	c->fd = -1;
	if (!path)
		path = getenv("CHAOS_SOCKET");
	if (!path || !*path)
		path = PROTO_SOCKET;
	c->in = malloc(PROTO_FRAME_MAX);
	c->out = malloc(PROTO_FRAME_MAX);
	if (!c->in || !c->out) {
		rc = err_set(e, ENOMEM, "out of memory");
		goto out;
	}
	c->fd = unix_connect(path, SOCK_SEQPACKET, 0);
	if (c->fd >= 0)
		return 0;
	rc = explain(e, -c->fd, path);
out:
	client_close(c);
	return rc;
}

void client_close(struct client *c)
{
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
	free(c->in);
	free(c->out);
	c->in = NULL;
	c->out = NULL;
}

void client_begin(struct client *c, struct wire_out *w, enum proto_op op)
{
	wire_begin(w, c->out, PROTO_FRAME_MAX, op, ++c->tag);
}

static int send_frame(struct client *c, const void *frame, uint32_t len, const int *fds,
		      uint32_t nfd, int flags, struct err *e)
{
	int rc;

	if (nfd > PROTO_FDS_MAX)
		return err_set(e, E2BIG, "too many files for one request");
	rc = unix_send(c->fd, frame, len, fds, nfd, flags);
	if (rc == -EPIPE) { /* it has closed the connection, perhaps after sending the reason */
		struct wire_in in = {.h.op = 0};

		rc = client_receive(c, &in, e);
		return rc < 0 ? rc : err_set(e, EPIPE, "chaosd closed the connection");
	}
	if (rc < 0 && rc != -EAGAIN)
		return err_sys(e, -rc, "send a request to chaosd");
	return rc;
}

int client_send(struct client *c, struct wire_out *w, const int *fds, uint32_t nfd, struct err *e)
{
	uint32_t len = wire_end(w);

	if (len == 0)
		return err_set(e, E2BIG, "the request is larger than %u bytes", PROTO_FRAME_MAX);
	return send_frame(c, c->out, len, fds, nfd, 0, e);
}

int client_send_now(struct client *c, const void *frame, uint32_t len, const int *fds, uint32_t nfd,
		    struct err *e)
{
	return send_frame(c, frame, len, fds, nfd, MSG_DONTWAIT, e);
}

/* That the peer closed the connection without reading a request is told once, before what it had
 * sent: the reason. */
static ssize_t receive(struct client *c)
{
	bool closed = false;
	ssize_t n;

	do {
		n = recv(c->fd, c->in, PROTO_FRAME_MAX, 0);
		if (n >= 0 || (errno != EINTR && (errno != ECONNRESET || closed)))
			return n;
		closed = errno == ECONNRESET;
	} while (true);
}

int client_receive(struct client *c, struct wire_in *in, struct err *e)
{
	char text[ERR_MSG_MAX];
	ssize_t n = receive(c);
	int rc;

	if (n < 0)
		return err_sys(e, errno, "receive an answer from chaosd");
	if (n == 0)
		return err_set(e, ECONNRESET, "chaosd closed the connection (did it end?)");
	rc = wire_parse(in, c->in, (size_t)n);
	if (rc == -EPROTONOSUPPORT)
		return err_set(e, EPROTONOSUPPORT,
			       "chaosd speaks another protocol version: restart it");
	if (rc < 0)
		return err_set(e, EPROTO, "chaosd sent a malformed frame");
	if (in->h.op != PROTO_ERROR)
		return 0;
	if (!wire_get_text(in, PROTO_TEXT, text, sizeof(text)))
		text[0] = '\0';
	return err_set(e, (int)wire_get_u32(in, PROTO_CODE, EIO), "%s", text);
}

int client_finish(struct client *c, struct wire_in *in,
		  int (*fn)(const struct wire_in *item, void *arg), void *arg, struct err *e)
{
	for (;;) {
		int rc = client_receive(c, in, e);

		if (rc < 0 || in->h.op == PROTO_OK)
			return rc;
		if (in->h.op == PROTO_ITEM && fn) {
			rc = fn(in, arg);
			if (rc < 0)
				return rc;
		}
	}
}
