/* SPDX-License-Identifier: BSD-3-Clause */
/* One loop: requests, signals, and what the sandbox's monitor says of the container's process. */
#include "oci/member.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "join/join.h"
#include "oci/agent.h"
#include "oci/control.h"
#include "oci/pod.h"

struct member {
	const struct container *c, *sandbox;
	const struct bundle *b;
	struct monitor_stdio io;
	int process; /* the connection to the sandbox's monitor that has it; -1 */
	int asker;   /* waits for its start; -1 */
	bool runs, ended;
	int code;
};

static void shut(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static void end(struct member *m, int code)
{
	m->ended = true;
	m->code = code;
}

static void answer(struct member *m, int rc, const struct err *e)
{
	if (m->asker >= 0)
		control_say(m->asker, rc, e);
	shut(&m->asker);
}

/* --- its process --- */

static int describe(const struct member *m, struct err *e)
{
	json_t *p = json_deep_copy(bundle_get(m->b, "process"));
	int fd = memfd_create("process", MFD_CLOEXEC);
	int rc = agent_check_process(p, e);

	if (rc == 0 &&
	    (fd < 0 || json_object_set_new(p, "container", json_string(pod_name(m->c))) < 0 ||
	     json_dumpfd(p, fd, JSON_COMPACT) < 0 || lseek(fd, 0, SEEK_SET) < 0))
		rc = err_sys(e, errno, "write the description of the process");
	json_decref(p);
	if (rc == 0)
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return rc;
}

static int start(struct member *m, int asker, struct err *e)
{
	int files[CONTROL_FILES] = {-1, m->io.in, m->io.out,
				    m->io.err >= 0 ? m->io.err : m->io.out};
	int rc;

	if (m->process >= 0)
		return err_set(e, EINVAL, "start: the container was started already");
	rc = files[0] = describe(m, e);
	if (rc >= 0)
		rc = m->process =
			control_begin(m->sandbox, CONTROL_EXEC, 0, files, CONTROL_FILES, e);
	shut(&files[0]);
	if (rc >= 0)
		rc = container_mark(m->c, "started", true, e);
	if (rc < 0) {
		shut(&m->process);
		return rc;
	}
	m->asker = asker;
	/* the sandbox's monitor has them; a terminal is still this process's */
	shut(&m->io.in);
	shut(&m->io.out);
	shut(&m->io.err);
	return 0;
}

static void from_process(struct member *m)
{
	struct control_answer a;
	struct err e = {0};
	int rc = join_hear(m->process, 0, &a);

	if (rc == -EINTR || rc == -ETIMEDOUT)
		return;
	if (rc < 0) {
		(void)err_set(&e, EPIPE, "the pod's VM ended");
		answer(m, -EPIPE, &e);
		end(m, 137);
	} else if (m->runs) {
		end(m, a.rc < 0 ? 137 : a.rc & 255);
	} else if (a.rc < 0) {
		(void)err_set(&e, -a.rc, "%s", a.message);
		answer(m, a.rc, &e);
		end(m, 127);
	} else {
		m->runs = true;
		answer(m, 0, NULL);
	}
}

static void deliver(struct member *m, int number)
{
	if (m->process >= 0)
		join_tell(m->process, number == SIGWINCH ? CONTROL_WINDOW : CONTROL_KILL,
			  (uint32_t)number);
	else if (number != SIGWINCH && number != SIGCONT && number != SIGURG)
		end(m, 128 + number);
}

static int do_request(void *ctx, struct control_call *call, struct err *e)
{
	struct member *m = ctx;

	call->later = call->rq.op == CONTROL_START;
	if (call->rq.op == CONTROL_START)
		return start(m, call->fd, e);
	if (call->rq.op != CONTROL_KILL || call->rq.number == 0 || call->rq.number > 64)
		return control_unknown(&call->rq, e);
	deliver(m, (int)call->rq.number);
	return 0;
}

/* --- the loop --- */

enum { P_LISTENER, P_SIGNALS, P_PROCESS, P_POD, P_COUNT };

int member_run(const struct container *c, const struct bundle *b, const struct container *sandbox,
	       int pod, int listener, const struct monitor_stdio *io)
{
	struct member m = {
		.c = c, .b = b, .sandbox = sandbox, .io = *io, .process = -1, .asker = -1};
	int signals = monitor_open_signals();

	while (signals >= 0 && !m.ended) {
		struct pollfd p[P_COUNT] = {{.fd = listener, .events = POLLIN},
					    {.fd = signals, .events = POLLIN},
					    {.fd = m.process, .events = POLLIN},
					    {.fd = m.process < 0 ? pod : -1, .events = POLLIN}};

		if (poll(p, P_COUNT, -1) <= 0)
			continue;
		if (p[P_PROCESS].revents)
			from_process(&m);
		if (p[P_POD].revents)
			end(&m, 137);
		if (!m.ended && p[P_LISTENER].revents)
			control_serve(listener, do_request, &m);
		if (!m.ended && p[P_SIGNALS].revents) {
			int number = monitor_signal(signals);

			if (number)
				deliver(&m, number);
		}
	}
	shut(&m.process);
	shut(&m.asker);
	return signals < 0 ? 255 : m.code;
}
