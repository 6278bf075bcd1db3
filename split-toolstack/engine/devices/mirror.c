/* SPDX-License-Identifier: BSD-3-Clause */
/* The thread that sends requests to xenstored, and the two queues between it and the loop. */
#include "split-toolstack/engine/devices/mirror.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <xenstore.h>
#include <xenstore_lib.h>

#include "base/log.h"
#include "base/unix.h"
#include "split-toolstack/engine/devices/mirror_queue.h"

#define RETRIES 100 /* tries of a transaction that other clients disturb */
/* Limit of the queue of changes, in bytes. Above it the thread reads nothing from xenstored
 * until the loop has taken some. */
#define NEWS_MAX  (256u << 10)
#define NEWS_TURN 64u /* changes that the loop handles in one turn */
#define UUID_LEN  36u

struct mirror {
	struct ev_loop *loop;
	mirror_fn *fn;
	mirror_told_fn *told;
	void *arg;
	struct xs_handle *xs;
	pthread_t thread;
	bool running;
	int wake; /* eventfd: there are requests */
	int life; /* a connection that shows the end of xenstored, which libxenstore does not; < 0:
		     none */
	ev_async news;
	struct mirror_queue in, out;
	uint64_t asked;			       /* number of requests */
	uint64_t done;			       /* number of those that the thread has done */
	struct mirror_item *open, **open_last; /* of the loop: a transaction that is being built */
	bool dead;			       /* set by the thread */
	struct mirror_item
		*stop; /* allocated in advance, because the thread's end must need no memory */
	/* of the thread: VMs whose names must be read, one after the other */
	char **vms;
	uint32_t nvms, vm;
	bool marks_read;
};

/* --- the thread --- */

static void is_gone(struct mirror *m)
{
	if (m->dead)
		return;
	log_line(LOG_ERROR, "xenstored has ended: chaosd cannot follow devices and names any more, "
			    "and dom0's kernel cannot release devices; reboot the host");
	__atomic_store_n(&m->dead, true, __ATOMIC_RELAXED);
}

static void report_node(struct mirror *m, const char *path, const char *value, uint32_t len)
{
	struct mirror_item *i = mirror_item_new(value ? OP_PUT : OP_RM, path, value, len);

	if (!i) {
		log_line(LOG_ERROR, "xenstored: the new value of %s was lost: out of memory", path);
		return;
	}
	i->done = m->done;
	mirror_push(&m->out, i);
	ev_async_send(m->loop, &m->news);
}

/* Reads a node, and with `deep` the nodes below it. */
static void read_tree(struct mirror *m, const char *path, bool deep)
{
	unsigned int len = 0;
	unsigned int n = 0;
	char *value = xs_read(m->xs, XBT_NULL, path, &len);
	char **dir;

	if (!value) {
		if (errno == ENOENT)
			report_node(m, path, NULL, 0);
		return;
	}
	report_node(m, path, value, len);
	free(value);
	dir = deep ? xs_directory(m->xs, XBT_NULL, path, &n) : NULL;
	for (unsigned int i = 0; dir && i < n; i++) {
		char at[512];

		if (snprintf(at, sizeof(at), "%s/%s", path, dir[i]) < (int)sizeof(at))
			read_tree(m, at, true);
	}
	free(dir);
}

#define VM_NODE_MAX (sizeof(MIRROR_NAMES "//" MIRROR_MARK) + UUID_LEN)

/* The absence of a name is reported, too. */
static void read_and_report(struct mirror *m, const char *vm, const char *node)
{
	unsigned int len = 0;
	char at[VM_NODE_MAX];
	char *value;

	(void)snprintf(at, VM_NODE_MAX, MIRROR_NAMES "/%.*s/%s", (int)UUID_LEN, vm, node);
	value = xs_read(m->xs, XBT_NULL, at, &len);
	if (value || (errno == ENOENT && strcmp(node, MIRROR_MARK) != 0))
		report_node(m, at, value, len);
	free(value);
}

/* A mark that the loop is about to replace, unless all of them have been read already: the loop
 * must see what the last daemon wrote there. */
static void look_before(struct mirror *m, const char *path)
{
	size_t n = strlen(path);

	if (!m->marks_read && n == VM_NODE_MAX - 1 &&
	    strcmp(path + n - strlen(MIRROR_MARK), MIRROR_MARK) == 0)
		read_and_report(m, path + sizeof(MIRROR_NAMES), MIRROR_MARK);
}

static void forget_vms(struct mirror *m)
{
	free(m->vms);
	m->vms = NULL;
}

/* Something at or below the folder of VMs has changed, or (the folder itself) it is followed
 * now. */
static void look_at_name(struct mirror *m, const char *path)
{
	const char *vm = path + sizeof(MIRROR_NAMES);
	size_t n = strlen(path);

	if (strcmp(path, MIRROR_NAMES) == 0) {
		forget_vms(m);
		m->vm = 0;
		m->nvms = 0;
		m->vms = xs_directory(m->xs, XBT_NULL, path, &m->nvms);
	} else if (n >= sizeof(MIRROR_NAMES) + UUID_LEN &&
		   (vm[UUID_LEN] == '\0' || strcmp(vm + UUID_LEN, "/name") == 0)) {
		read_and_report(m, vm, "name");
	}
}

/* Reads one of them. Requests of the loop are done first. */
static void next_vm(struct mirror *m)
{
	if (!m->vms)
		return;
	if (m->vm == m->nvms || m->dead) {
		m->marks_read = true;
		forget_vms(m);
		return;
	}
	if (strlen(m->vms[m->vm]) == UUID_LEN) {
		read_and_report(m, m->vms[m->vm], MIRROR_MARK);
		read_and_report(m, m->vms[m->vm], "name");
	}
	m->vm++;
}

static void on_watches(struct mirror *m)
{
	char **event;

	while ((event = xs_check_watch(m->xs)) != NULL) {
		const char *path = event[XS_WATCH_PATH];
		const char *token = event[XS_WATCH_TOKEN];

		if (strcmp(token, MIRROR_NAMES) == 0)
			look_at_name(m, path);
		else
			read_tree(m, path, strcmp(path, token) == 0);
		free(event);
	}
}

static void failed(struct mirror *m, const struct mirror_item *i)
{
	if (errno == EBADF || errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN)
		is_gone(m);
	else
		log_line(LOG_ERROR, "xenstored refuses %s: %s", i->path, strerror(errno));
}

/* Repeats it if another client has changed the same nodes meanwhile. */
static void transaction(struct mirror *m, const struct mirror_item *all)
{
	for (int round = 0; round < RETRIES; round++) {
		xs_transaction_t t = xs_transaction_start(m->xs);
		const struct mirror_item *bad = NULL;

		if (t == XBT_NULL)
			break;

		for (const struct mirror_item *i = all->sub; i && !bad; i = i->next)
			if (!mirror_do(m->xs, t, i))
				bad = i;
		if (bad) {
			failed(m, bad);
			(void)xs_transaction_end(m->xs, t, true);
			return;
		}
		if (xs_transaction_end(m->xs, t, false))
			return;
		if (errno != EAGAIN)
			break;
	}
	failed(m, all->sub ? all->sub : all);
}

static bool do_item(struct mirror *m, struct mirror_item *i)
{
	bool go_on = i->op != OP_STOP;

	m->done++;
	if (i->op == OP_TELL) {
		mirror_push(&m->out, i);
		ev_async_send(m->loop, &m->news);
		return true;
	}
	if (i->op == OP_PUT && !m->dead)
		look_before(m, i->path);
	if (m->dead)
		; /* there is no xenstored to answer */
	else if (i->op == OP_TRANSACTION)
		transaction(m, i);
	else if (i->op == OP_FOLLOW && !xs_watch(m->xs, i->path, i->path))
		failed(m, i);
	else if (i->op == OP_UNFOLLOW)
		(void)xs_unwatch(m->xs, i->path, i->path);
	else if ((i->op == OP_PUT || i->op == OP_PUT_NEW || i->op == OP_RM) &&
		 !mirror_do(m->xs, XBT_NULL, i))
		failed(m, i);
	mirror_item_free(i);
	return go_on;
}

static void *run(void *arg)
{
	struct mirror *m = arg;
	struct pollfd p[3] = {{.fd = m->wake, .events = POLLIN},
			      {.fd = xs_fileno(m->xs), .events = POLLIN},
			      {.fd = m->life}};
	struct mirror_item *i;

	for (;;) {
		uint64_t n;

		on_watches(m); /* requests may have read events, too */
		if (poll(p, 3, m->vms ? 0 : -1) < 0 && errno != EINTR)
			return NULL;
		if (p[0].revents && read(m->wake, &n, sizeof(n)) < 0 && errno != EAGAIN)
			return NULL;
		if ((p[1].revents | p[2].revents) & (POLLERR | POLLHUP | POLLNVAL)) {
			is_gone(m);
			p[1].fd = -1;
			p[2].fd = -1;
		}
		while ((i = mirror_pop(&m->in)) != NULL)
			if (!do_item(m, i))
				return NULL;
		next_vm(m);
	}
}

/* --- the loop's side --- */

static void on_news(struct ev_loop *loop, ev_async *a, int revents)
{
	struct mirror *m = a->data;
	struct mirror_item *i = NULL;

	(void)revents;
	for (uint32_t n = 0; n < NEWS_TURN && (i = mirror_pop(&m->out)) != NULL; n++) {
		if (i->op == OP_TELL)
			m->told(m->arg, i->len);
		else
			m->fn(m->arg, i->path, i->value, i->len, i->done);
		mirror_item_free(i);
	}
	if (i)
		ev_async_send(loop, a); /* perhaps there are more */
}

static int hand_over(struct mirror *m, struct mirror_item *i)
{
	uint64_t one = 1;

	m->asked++;
	mirror_push(&m->in, i);
	return write(m->wake, &one, sizeof(one)) < 0 ? -errno : 0;
}

static int queue_item(struct mirror *m, enum mirror_op op, const char *path, const char *value,
		      uint32_t len)
{
	struct mirror_item *i = mirror_item_new(op, path, value, len);

	if (!i)
		return -ENOMEM;
	if (!m->open)
		return hand_over(m, i);
	*m->open_last = i;
	m->open_last = &i->next;
	return 0;
}

int mirror_begin(struct mirror *m)
{
	struct mirror_item *i = mirror_item_new(OP_TRANSACTION, "", NULL, 0);

	if (!i)
		return -ENOMEM;
	m->open_last = &i->sub;
	m->open = i;
	return 0;
}

int mirror_end(struct mirror *m)
{
	struct mirror_item *i = m->open;

	m->open = NULL;
	return hand_over(m, i);
}

int mirror_put(struct mirror *m, const char *path, const char *value, uint32_t len)
{
	return queue_item(m, OP_PUT, path, value, len);
}

int mirror_put_new(struct mirror *m, const char *path, const char *value, uint32_t len)
{
	return queue_item(m, OP_PUT_NEW, path, value, len);
}

int mirror_rm(struct mirror *m, const char *path)
{
	return queue_item(m, OP_RM, path, NULL, 0);
}

int mirror_follow(struct mirror *m, const char *path)
{
	return queue_item(m, OP_FOLLOW, path, NULL, 0);
}

int mirror_unfollow(struct mirror *m, const char *path)
{
	return queue_item(m, OP_UNFOLLOW, path, NULL, 0);
}

int mirror_tell(struct mirror *m, uint32_t key)
{
	return queue_item(m, OP_TELL, "", NULL, key);
}

bool mirror_is_dead(const struct mirror *m)
{
	return __atomic_load_n(&m->dead, __ATOMIC_RELAXED);
}

uint32_t mirror_backlog(struct mirror *m)
{
	return mirror_queue_length(&m->in);
}

uint64_t mirror_asked(const struct mirror *m)
{
	return m->asked;
}

int mirror_open(struct ev_loop *loop, mirror_fn *fn, mirror_told_fn *told, void *arg,
		struct mirror **out, struct err *e)
{
	struct mirror *m = calloc(1, sizeof(*m));
	int rc = 0;

	*out = m;
	if (!m)
		return err_set(e, ENOMEM, "out of memory");
	m->loop = loop;
	m->fn = fn;
	m->told = told;
	m->arg = arg;
	mirror_queue_init(&m->in, 0);
	mirror_queue_init(&m->out, NEWS_MAX);
	m->stop = mirror_item_new(OP_STOP, "", NULL, 0);
	m->life = -1;
	m->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (m->wake < 0)
		rc = err_sys(e, errno, "make an eventfd for xenstored's thread");
	else if (!m->stop)
		rc = err_set(e, ENOMEM, "out of memory");
	ev_async_init(&m->news, on_news);
	m->news.data = m;
	ev_async_start(loop, &m->news);
	m->xs = rc == 0 ? xs_open(XS_OPEN_SOCKETONLY) : NULL;
	if (rc == 0 && !m->xs)
		rc = err_sys(e, errno, "connect to xenstored");
	if (rc == 0) {
		/* Nothing is sent on it; it only shows that xenstored has closed it. */
		m->life = unix_connect(xs_daemon_socket(), SOCK_STREAM, 0);
		rc = pthread_create(&m->thread, NULL, run, m);
		if (rc)
			rc = err_sys(e, rc, "start the thread for xenstored");
	}
	m->running = rc == 0;
	if (rc < 0) {
		mirror_close(m);
		*out = NULL;
	}
	return rc;
}

void mirror_close(struct mirror *m)
{
	if (!m)
		return;
	mirror_queue_open(&m->out); /* the thread may wait for room */
	if (m->running) {
		(void)hand_over(m, m->stop);
		(void)pthread_join(m->thread, NULL);
	} else if (m->stop) {
		mirror_item_free(m->stop);
	}
	if (m->open)
		mirror_item_free(m->open);
	ev_async_stop(m->loop, &m->news);
	mirror_queue_destroy(&m->in);
	mirror_queue_destroy(&m->out);
	forget_vms(m);
	if (m->xs)
		xs_close(m->xs);
	if (m->wake >= 0)
		(void)close(m->wake);
	if (m->life >= 0)
		(void)close(m->life);
	free(m);
}
