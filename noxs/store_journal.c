/* SPDX-License-Identifier: BSD-3-Clause */
/* The journal: records appended to a mapped file, valid as soon as the header says how far.
 *
 * It must survive the process, not the host: what was stored into a shared mapping is in the file
 * whatever becomes of us. So a change costs copying, and no system call.
 */
#include "noxs/store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC	  0x3165726f74736863ull /* "chstore1" */
#define STEP	  (1u << 20)
#define FILE_MAX_ (4ull << 30)

struct journal_head {
	uint64_t magic;
	uint64_t epoch; /* grows with each open */
	uint64_t end;	/* of what is valid, in the file */
	uint8_t pad[40];
};

struct store_journal {
	char *path;
	uint8_t *old; /* as it was found */
	uint64_t old_len;
	uint8_t *map; /* NULL: nothing is logged yet */
	int fd;
	uint64_t room, end;
	uint64_t renewed; /* its end after the last renewal */
	uint64_t epoch;
	bool lost; /* the file could not grow: it says nothing any more */
};

static struct journal_head *head(const struct store_journal *j)
{
	return (struct journal_head *)(void *)j->map;
}

static uint64_t padded(uint64_t bytes)
{
	return (bytes + 7) & ~7ull;
}

/* --- appending --- */

static void lose(struct store_journal *j)
{
	j->lost = true;
	__atomic_store_n(&head(j)->end, 0, __ATOMIC_RELEASE);
}

/* Reserved, not only promised: a full tmpfs would end us by a signal. */
static int reserve(int fd, uint64_t from, uint64_t to)
{
	int rc;

	do
		rc = posix_fallocate(fd, (off_t)from, (off_t)(to - from));
	while (rc == EINTR);
	return -rc;
}

static bool grow(struct store_journal *j, uint64_t need)
{
	uint64_t room = j->room + STEP + j->room / 2;
	void *map;

	while (room < need)
		room += STEP;
	room &= ~(uint64_t)(STEP - 1);
	if (room > FILE_MAX_ || reserve(j->fd, j->room, room) < 0)
		return false;
	map = mremap(j->map, j->room, room, MREMAP_MAYMOVE);
	if (map == MAP_FAILED)
		return false;
	j->map = map;
	j->room = room;
	return true;
}

void store_log(struct store *s, enum store_record type, uint16_t n, uint32_t domid, uint32_t value,
	       const struct store_part *part, uint32_t nparts)
{
	struct store_journal *j = s->journal;
	struct store_record_head r = {sizeof(r), (uint16_t)type, n, domid, value};
	uint8_t *to;

	if (!j || !j->map || j->lost)
		return;
	for (uint32_t i = 0; i < nparts; i++)
		r.bytes += part[i].len;
	if (j->end + padded(r.bytes) > j->room && !grow(j, j->end + padded(r.bytes))) {
		lose(j);
		return;
	}
	to = j->map + j->end;
	memcpy(to, &r, sizeof(r));
	to += sizeof(r);
	for (uint32_t i = 0; i < nparts; i++) {
		if (part[i].data && part[i].len)
			memcpy(to, part[i].data, part[i].len);
		to += part[i].len;
	}
	j->end += padded(r.bytes);
}

void store_commit(struct store *s)
{
	struct store_journal *j = s->journal;

	if (!j || !j->map || j->lost || j->end == head(j)->end)
		return;
	__atomic_store_n(&head(j)->end, j->end, __ATOMIC_RELEASE);
	if (j->end > 2 * j->renewed + STEP)
		(void)store_journal_renew(s); /* else it goes on growing */
}

uint64_t store_journal_bytes(const struct store *s)
{
	const struct store_journal *j = s->journal;

	return j && j->map && !j->lost ? j->end : 0;
}

/* --- anew --- */

static void log_conn(struct store *s, const struct store_conn *c)
{
	struct store_part in = {c->in, c->in_len};
	struct store_part out = {c->out ? c->out + c->out_at : NULL, c->out_len};
	const struct store_watch *w = NULL;

	store_conn_log(c);
	if (in.len)
		store_log(s, STORE_J_IN, 0, c->domid, 0, &in, 1);
	if (out.len)
		store_log(s, STORE_J_OUT, 0, c->domid, 0, &out, 1);
	for (const struct store_tx *t = c->txs; t; t = t->hh.next)
		store_log(s, STORE_J_TX, 0, c->domid, t->id, NULL, 0);
	DL_FOREACH2(c->watches, w, conn_next)
	{
		char path[STORE_PATH_MAX];
		struct store_part both[] = {{path, (uint32_t)store_node_path(w->at, path)},
					    {w->token, w->token_len}};

		store_log(s, STORE_J_WATCH, w->relative, c->domid, both[0].len, both, 2);
	}
}

static void log_all(struct store *s)
{
	const struct store_conn *c = NULL;

	for (struct store_node *n = s->root; n; n = store_walk(s->root, n)) {
		char path[STORE_PATH_MAX];
		struct store_part part[3];

		if (!n->perms)
			continue;
		part[0].data = n->perms->perm;
		part[0].len = n->perms->n * (uint32_t)sizeof(struct store_perm);
		part[1].len = (uint32_t)store_node_path(n, path);
		part[1].data = path;
		part[2].data = n->value;
		part[2].len = n->len;
		store_log(s, STORE_J_NODE, (uint16_t)n->perms->n, 0, part[1].len, part, 3);
	}
	DL_FOREACH(s->conns, c)
	if (c->lasting)
		log_conn(s, c);
}

static int make_file(const char *path, int *fd, uint8_t **map)
{
	void *at;
	int rc;

	*fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (*fd < 0)
		return -errno;
	rc = reserve(*fd, 0, STEP);
	if (rc < 0)
		return rc;
	at = mmap(NULL, STEP, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, *fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	*map = at;
	return 0;
}

static void drop_map(struct store_journal *j)
{
	if (j->map)
		(void)munmap(j->map, j->room);
	if (j->fd >= 0)
		(void)close(j->fd);
	j->map = NULL;
	j->fd = -1;
}

int store_journal_renew(struct store *s)
{
	struct store_journal *j = s->journal;
	struct store_journal was = *j;
	char path[512];
	int rc = -ENAMETOOLONG;

	j->fd = -1;
	j->map = NULL;
	if (snprintf(path, sizeof(path), "%s.new", j->path) < (int)sizeof(path))
		rc = make_file(path, &j->fd, &j->map);
	if (rc == 0) {
		j->room = STEP;
		j->end = sizeof(struct journal_head);
		j->lost = false;
		*head(j) = (struct journal_head){.magic = MAGIC, .epoch = j->epoch};
		log_all(s);
		head(j)->end = j->end;
		rc = j->lost ? -ENOSPC : rename(path, j->path) < 0 ? -errno : 0;
	}
	if (rc < 0) {
		drop_map(j);
		(void)unlink(path);
		*j = was;
		j->renewed = j->end; /* not again at once */
		return rc;
	}
	j->renewed = j->end;
	drop_map(&was);
	return 0;
}

/* --- open and close --- */

static int read_old(struct store_journal *j, int fd, const uint8_t **data, uint64_t *len)
{
	struct stat st;
	struct journal_head h;
	void *at;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < sizeof(h))
		return -EBADMSG;
	at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	j->old = at;
	j->old_len = (uint64_t)st.st_size;
	memcpy(&h, at, sizeof(h));
	if (h.magic != MAGIC || h.end > j->old_len || h.end % 8)
		return -EBADMSG;
	j->epoch = h.epoch + 1;
	if (h.end >= sizeof(h)) { /* 0: it was given up */
		*data = j->old + sizeof(h);
		*len = h.end - sizeof(h);
	}
	return 0;
}

int store_journal_open(struct store *s, const char *path, const uint8_t **data, uint64_t *len,
		       struct err *e)
{
	struct store_journal *j = calloc(1, sizeof(*j));
	int fd;
	int rc;

	*data = NULL;
	*len = 0;
	if (!j)
		return err_set(e, ENOMEM, "out of memory");
	j->fd = -1;
	j->epoch = 1;
	j->path = strdup(path);
	s->journal = j;
	if (!j->path)
		return err_set(e, ENOMEM, "out of memory");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "%s", path);
	rc = read_old(j, fd, data, len);
	(void)close(fd);
	s->gen = j->epoch << 40; /* lists of before are not what they were */
	return rc;
}

void store_journal_close(struct store *s)
{
	struct store_journal *j = s->journal;

	if (!j)
		return;
	s->journal = NULL;
	drop_map(j);
	if (j->old)
		(void)munmap(j->old, j->old_len);
	free(j->path);
	free(j);
}
