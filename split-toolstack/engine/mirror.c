/* SPDX-License-Identifier: BSD-3-Clause */
/* The thread that speaks to xenstored, and the two queues between it and the loop. */
#include "split-toolstack/engine/mirror.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <xenstore.h>

#include "base/log.h"

#define RETRIES 100 /* of a transaction that others disturb */

enum op { OP_PUT, OP_RM, OP_TRANSACTION, OP_FOLLOW, OP_UNFOLLOW, OP_STOP };

/* A request to the thread, or (as OP_PUT and OP_RM) news from it. */
struct item {
	struct item *next;
	struct item *sub; /* of a transaction */
	enum op op;
	uint32_t len;
	char *value; /* behind the path; NULL: none */
	char path[];
};

struct queue {
	struct item *first, **last;
	uint32_t n;
};

struct mirror {
	struct ev_loop *loop;
	mirror_fn *fn;
	void *arg;
	struct xs_handle *xs;
	pthread_t thread;
	bool running;
	int wake; /* eventfd: there are requests */
	ev_async news;
	pthread_mutex_t lock;
	struct queue in, out;
	struct item *open, **open_last; /* the loop's: a transaction that is being put together */
	bool dead;			/* the thread's word */
	struct item *stop; /* made before it is needed: the thread ends without any memory */
};

static void item_free(struct item *i)
{
	while (i->sub) {
		struct item *first = i->sub;

		i->sub = first->next;
		free(first);
	}
	free(i);
}

static struct item *item_new(enum op op, const char *path, const char *value, uint32_t len)
{
	size_t n = strlen(path) + 1;
	struct item *i = malloc(sizeof(*i) + n + (value ? len + 1u : 0));

	if (!i)
		return NULL;
	i->next = NULL;
	i->sub = NULL;
	i->op = op;
	i->len = len;
	i->value = value ? i->path + n : NULL;
	memcpy(i->path, path, n);
	if (value) {
		memcpy(i->value, value, len);
		i->value[len] = '\0';
	}
	return i;
}

static void push(struct mirror *m, struct queue *q, struct item *i)
{
	(void)pthread_mutex_lock(&m->lock);
	*q->last = i;
	q->last = &i->next;
	q->n++;
	(void)pthread_mutex_unlock(&m->lock);
}

static struct item *pop(struct mirror *m, struct queue *q)
{
	struct item *i;

	(void)pthread_mutex_lock(&m->lock);
	i = q->first;
	if (i) {
		q->first = i->next;
		if (!q->first)
			q->last = &q->first;
		q->n--;
	}
	(void)pthread_mutex_unlock(&m->lock);
	return i;
}

/* --- the thread --- */

static void say(struct mirror *m, const char *path, const char *value, uint32_t len)
{
	struct item *i = item_new(value ? OP_PUT : OP_RM, path, value, len);

	if (!i)
		return;
	push(m, &m->out, i);
	ev_async_send(m->loop, &m->news);
}

/* A node, and with `deep` what is below it. */
static void look(struct mirror *m, const char *path, bool deep)
{
	unsigned int len = 0;
	unsigned int n = 0;
	char *value = xs_read(m->xs, XBT_NULL, path, &len);
	char **dir;

	if (!value) {
		if (errno == ENOENT)
			say(m, path, NULL, 0);
		return;
	}
	say(m, path, value, len);
	free(value);
	dir = deep ? xs_directory(m->xs, XBT_NULL, path, &n) : NULL;
	for (unsigned int i = 0; dir && i < n; i++) {
		char at[512];

		if (snprintf(at, sizeof(at), "%s/%s", path, dir[i]) < (int)sizeof(at))
			look(m, at, true);
	}
	free(dir);
}

static void on_watches(struct mirror *m)
{
	char **event;

	while ((event = xs_check_watch(m->xs)) != NULL) {
		look(m, event[XS_WATCH_PATH],
		     strcmp(event[XS_WATCH_PATH], event[XS_WATCH_TOKEN]) == 0);
		free(event);
	}
}

static bool do_one(struct mirror *m, xs_transaction_t t, const struct item *i)
{
	if (i->op == OP_PUT)
		return xs_write(m->xs, t, i->path, i->value, i->len);
	return xs_rm(m->xs, t, i->path) || errno == ENOENT;
}

static void failed(const struct item *i)
{
	log_line(LOG_ERROR, "xenstored refuses %s: %s", i->path, strerror(errno));
}

/* Again when somebody else got in between. */
static void transaction(struct mirror *m, const struct item *all)
{
	for (int round = 0; round < RETRIES; round++) {
		xs_transaction_t t = xs_transaction_start(m->xs);
		const struct item *bad = NULL;

		if (t == XBT_NULL)
			break;

		for (const struct item *i = all->sub; i && !bad; i = i->next)
			if (!do_one(m, t, i))
				bad = i;
		if (bad) {
			failed(bad);
			(void)xs_transaction_end(m->xs, t, true);
			return;
		}
		if (xs_transaction_end(m->xs, t, false))
			return;
		if (errno != EAGAIN)
			break;
	}
	failed(all->sub ? all->sub : all);
}

static bool work(struct mirror *m, struct item *i)
{
	bool go_on = i->op != OP_STOP;

	if (i->op == OP_TRANSACTION)
		transaction(m, i);
	else if (i->op == OP_FOLLOW && !xs_watch(m->xs, i->path, i->path))
		failed(i);
	else if (i->op == OP_UNFOLLOW)
		(void)xs_unwatch(m->xs, i->path, i->path);
	else if ((i->op == OP_PUT || i->op == OP_RM) && !do_one(m, XBT_NULL, i))
		failed(i);
	item_free(i);
	return go_on;
}

static void *run(void *arg)
{
	struct mirror *m = arg;
	struct pollfd p[2] = {{.fd = m->wake, .events = POLLIN},
			      {.fd = xs_fileno(m->xs), .events = POLLIN}};
	struct item *i;

	for (;;) {
		uint64_t n;

		on_watches(m); /* requests may have read events, too */
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return NULL;
		if (p[0].revents && read(m->wake, &n, sizeof(n)) < 0 && errno != EAGAIN)
			return NULL;
		while ((i = pop(m, &m->in)) != NULL)
			if (!work(m, i))
				return NULL;
		if (p[1].revents & (POLLERR | POLLHUP)) {
			log_line(LOG_ERROR, "xenstored went away: devices are not followed any "
					    "more; restart chaosd");
			p[1].fd = -1;
			__atomic_store_n(&m->dead, true, __ATOMIC_RELAXED);
		}
	}
}

/* --- the loop's side --- */

static void on_news(struct ev_loop *loop, ev_async *a, int revents)
{
	struct mirror *m = a->data;
	struct item *i;

	(void)loop;
	(void)revents;
	while ((i = pop(m, &m->out)) != NULL) {
		m->fn(m->arg, i->path, i->value, i->len);
		free(i);
	}
}

static int hand_over(struct mirror *m, struct item *i)
{
	uint64_t one = 1;

	push(m, &m->in, i);
	return write(m->wake, &one, sizeof(one)) < 0 ? -errno : 0;
}

static int ask(struct mirror *m, enum op op, const char *path, const char *value, uint32_t len)
{
	struct item *i = item_new(op, path, value, len);

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
	struct item *i = item_new(OP_TRANSACTION, "", NULL, 0);

	if (!i)
		return -ENOMEM;
	m->open_last = &i->sub;
	m->open = i;
	return 0;
}

int mirror_end(struct mirror *m)
{
	struct item *i = m->open;

	m->open = NULL;
	return hand_over(m, i);
}

int mirror_put(struct mirror *m, const char *path, const char *value, uint32_t len)
{
	return ask(m, OP_PUT, path, value, len);
}

int mirror_rm(struct mirror *m, const char *path)
{
	return ask(m, OP_RM, path, NULL, 0);
}

int mirror_follow(struct mirror *m, const char *path)
{
	return ask(m, OP_FOLLOW, path, NULL, 0);
}

int mirror_unfollow(struct mirror *m, const char *path)
{
	return ask(m, OP_UNFOLLOW, path, NULL, 0);
}

bool mirror_is_dead(const struct mirror *m)
{
	return __atomic_load_n(&m->dead, __ATOMIC_RELAXED);
}

uint32_t mirror_backlog(struct mirror *m)
{
	uint32_t n;

	(void)pthread_mutex_lock(&m->lock);
	n = m->in.n;
	(void)pthread_mutex_unlock(&m->lock);
	return n;
}

int mirror_open(struct ev_loop *loop, mirror_fn *fn, void *arg, struct mirror **out, struct err *e)
{
	struct mirror *m = calloc(1, sizeof(*m));
	int rc = 0;

	*out = m;
	if (!m)
		return err_set(e, ENOMEM, "out of memory");
	m->loop = loop;
	m->fn = fn;
	m->arg = arg;
	m->in.last = &m->in.first;
	m->out.last = &m->out.first;
	(void)pthread_mutex_init(&m->lock, NULL);
	m->stop = item_new(OP_STOP, "", NULL, 0);
	m->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (m->wake < 0)
		rc = err_sys(e, errno, "eventfd");
	else if (!m->stop)
		rc = err_set(e, ENOMEM, "out of memory");
	ev_async_init(&m->news, on_news);
	m->news.data = m;
	ev_async_start(loop, &m->news);
	m->xs = rc == 0 ? xs_open(XS_OPEN_SOCKETONLY) : NULL;
	if (rc == 0 && !m->xs)
		rc = err_sys(e, errno, "xenstored");
	if (rc == 0) {
		rc = pthread_create(&m->thread, NULL, run, m);
		if (rc)
			rc = err_sys(e, rc, "thread for xenstored");
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
	struct item *i;

	if (!m)
		return;
	if (m->running) {
		(void)hand_over(m, m->stop);
		(void)pthread_join(m->thread, NULL);
	} else if (m->stop) {
		item_free(m->stop);
	}
	if (m->open)
		item_free(m->open);
	ev_async_stop(m->loop, &m->news);
	while ((i = pop(m, &m->in)) != NULL || (i = pop(m, &m->out)) != NULL)
		item_free(i);
	if (m->xs)
		xs_close(m->xs);
	if (m->wake >= 0)
		(void)close(m->wake);
	(void)pthread_mutex_destroy(&m->lock);
	free(m);
}
