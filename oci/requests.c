/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests: of the engine about the container, of commands about processes beside it. */
#include "oci/requests.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/unix.h"
#include "oci/monitor.h"
#include "oci/process.h"
#include "oci/vm.h"

/* --- the container's process --- */

static int start_process(struct linux_monitor *m, uint8_t number, const json_t *process,
			 struct err *e)
{
	struct session *s = m->session[number];
	struct winsize w = {0};

	s->terminal = json_is_true(json_object_get(process, "terminal"));
	s->pty = s->terminal && isatty(s->in);
	if (s->terminal)
		(void)ioctl(s->out[0].fd, TIOCGWINSZ, &w);
	if (agent_say_process(&m->agent, number, process, s->terminal ? &w : NULL))
		return 0;
	return err_set(e, ENOMEM, "out of memory");
}

/* Answered when the agent has started it. */
static int start(struct linux_monitor *m, int asker, struct err *e)
{
	int rc;

	if (m->started)
		return err_set(e, EINVAL, "start: the container was started already");
	if (m->root_failed)
		return err_set(e, EIO, "start: the agent could not set up the container's root");
	rc = container_mark(m->c, "started", true, e);
	if (rc == 0 && m->pod) { /* its containers are all that runs in it */
		m->started = true;
		return 0;
	}
	if (rc == 0)
		rc = start_process(m, 0, bundle_get(m->b, "process"), e);
	if (rc < 0) {
		(void)container_mark(m->c, "started", false, NULL);
		return rc;
	}
	m->started = true;
	m->session[0]->asker = asker;
	return 0;
}

static int deliver(struct linux_monitor *m, int number, struct err *e)
{
	if (number != SIGKILL && m->started && !m->pod) {
		return agent_say_signal(&m->agent, 0, (uint32_t)number)
			       ? 0
			       : err_set(e, ENOMEM, "out of memory");
	}
	if (number == SIGWINCH || number == SIGCONT || number == SIGURG)
		return 0;
	return vm_kill(m->c->uuid, number, &m->killed, e);
}

/* --- processes beside it --- */

/* What a guest does not take is kept here. */
static int check_taken(const struct linux_monitor *m, struct err *e)
{
	if (m->agent.waits <= AGENT_WAITS_MAX)
		return 0;
	return err_set(e, ETIMEDOUT,
		       "the agent in the VM takes no messages: %zu bytes wait for it; delete the "
		       "container, or try again",
		       m->agent.waits);
}

static int start_beside(struct linux_monitor *m, struct control_call *call, const json_t *process,
			struct err *e)
{
	uint8_t number = 0;
	struct session *s;
	int rc = agent_check_process(process, e);

	if (rc < 0)
		return rc;
	if (!m->holds && !m->pod && (!m->session[0]->runs || m->session[0]->over))
		return err_set(e, EINVAL, "exec: the container does not run");
	rc = check_taken(m, e);
	if (rc < 0)
		return rc;
	s = session_new(m, &number);
	if (!s)
		return err_set(e, EBUSY, "exec: at most %u processes at a time are possible",
			       LINK_SESSIONS - 1);
	s->in = call->files[1];
	session_set_output(s, 0, call->files[2]);
	session_set_output(s, 1, call->files[3]);
	call->files[1] = call->files[2] = call->files[3] = -1;
	rc = start_process(m, number, process, e);
	if (rc == 0)
		s->asker = call->fd;
	else
		session_free(m, number);
	return rc;
}

static int execute(struct linux_monitor *m, struct control_call *call, struct err *e)
{
	json_t *process = json_loadfd(call->files[0], 0, NULL);
	int rc = process ? start_beside(m, call, process, e)
			 : err_set(e, EINVAL, "exec: the request does not describe a process");

	json_decref(process);
	return rc;
}

/* --- containers of a pod --- */

static int change_container(struct linux_monitor *m, struct control_call *call, struct err *e)
{
	json_t *words = json_loadfd(call->files[0], 0, NULL);
	struct session *s;
	uint8_t number = 0;
	bool ok;

	if (!json_is_string(json_object_get(words, "container"))) {
		json_decref(words);
		return err_set(e, EINVAL, "the request does not describe a container");
	}
	if (check_taken(m, e) < 0) {
		json_decref(words);
		return -ETIMEDOUT;
	}
	s = session_new(m, &number);
	if (!s) {
		json_decref(words);
		return err_set(e, EBUSY, "at most %u processes at a time are possible in a pod",
			       LINK_SESSIONS - 1);
	}
	s->asks = true;
	ok = agent_say_container(&m->agent, number, words);
	if (ok && call->rq.op == CONTROL_LEAVE)
		ok = agent_say(&m->agent, LINK_LEAVE, number, NULL, 0);
	if (ok && call->rq.op == CONTROL_MAKE) {
		s->makes = json_incref(words);
		s->in = call->files[1];
		call->files[1] = -1;
	}
	json_decref(words);
	if (ok) {
		s->asker = call->fd;
		return 0;
	}
	session_free(m, number);
	return err_set(e, ENOMEM, "out of memory");
}

static int run(struct linux_monitor *m, struct control_call *call, struct err *e)
{
	json_t *words;
	json_t *process;
	int rc;

	control_say(call->fd, 0, NULL); /* it is taken: not to be asked for again */
	words = json_loadfd(call->files[0], 0, NULL);
	if (!words)
		return err_set(e, EINVAL, "exec: the request does not describe a process");
	process = process_beside(m->b && !m->pod ? bundle_get(m->b, "process") : NULL, words, e);
	rc = process ? start_beside(m, call, process, e) : -EINVAL;
	json_decref(words);
	json_decref(process);
	return rc;
}

int requests_do(void *ctx, struct control_call *call, struct err *e)
{
	const struct control_request *rq = &call->rq;
	struct linux_monitor *m = ctx;
	bool has_files = call->files[CONTROL_FILES - 1] >= 0;

	call->later = rq->op != CONTROL_KILL && (rq->op != CONTROL_START || !m->pod);
	if (rq->op == CONTROL_RUN && has_files)
		return run(m, call, e);
	if (m->holds)
		return control_unknown(rq, e);
	if (rq->op == CONTROL_START)
		return start(m, call->fd, e);
	if (rq->op == CONTROL_KILL && rq->number > 0 && rq->number < 65)
		return deliver(m, (int)rq->number, e);
	if (rq->op == CONTROL_EXEC && has_files)
		return execute(m, call, e);
	if ((rq->op == CONTROL_MAKE || rq->op == CONTROL_LEAVE) && has_files)
		return change_container(m, call, e);
	return control_unknown(rq, e);
}

/* --- signals, and windows --- */

static void resize(struct linux_monitor *m, uint8_t number, int terminal)
{
	struct winsize w;
	uint8_t b[4];

	if (ioctl(terminal, TIOCGWINSZ, &w) < 0)
		return;
	b[0] = (uint8_t)w.ws_row;
	b[1] = (uint8_t)(w.ws_row >> 8);
	b[2] = (uint8_t)w.ws_col;
	b[3] = (uint8_t)(w.ws_col >> 8);
	(void)agent_say_window(&m->agent, number, b);
}

void requests_signal(struct linux_monitor *m, int fd)
{
	int number = monitor_signal(fd);

	if (m->holds && (number == SIGTERM || number == SIGINT)) {
		m->ended = true;
		(void)err_set(&m->why, EINTR, "chaos-oci hold was ended by a signal");
	}
	if (m->holds)
		return;
	if (number == SIGWINCH && m->session[0] && m->session[0]->terminal)
		resize(m, 0, m->session[0]->out[0].fd);
	else if (number > 0 && number != SIGWINCH)
		(void)deliver(m, number, NULL);
}

/* What has asked for a process says a signal for it, or that its terminal has another size; when it
 * goes, the process does. */
void requests_asker(struct linux_monitor *m, uint8_t number)
{
	struct session *s = m->session[number];
	struct control_request rq = {0};
	uint32_t none;
	ssize_t n = unix_receive(s->asker, &rq, sizeof(rq), NULL, 0, &none);

	if (n == -EAGAIN)
		return;
	if (n != (ssize_t)sizeof(rq)) {
		(void)agent_say_signal(&m->agent, number, SIGKILL);
		shut(&s->asker);
		session_drop_output(s);
	} else if (rq.op == CONTROL_KILL && rq.number > 0 && rq.number < 65) {
		(void)agent_say_signal(&m->agent, number, rq.number);
	} else if (rq.op == CONTROL_WINDOW && s->terminal && s->out[0].fd >= 0) {
		resize(m, number, s->out[0].fd);
	}
}
