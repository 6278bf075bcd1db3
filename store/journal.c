/* SPDX-License-Identifier: BSD-3-Clause */
/* The journal: records appended to a mapped file, valid as soon as the header says how far.
 *
 * It must survive the process, not the host: what was stored into a shared mapping is in the file
 * whatever becomes of us. So a change costs copying, and no system call.
 */
#include "store/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC	   0x3165726f74736863ull /* "chstore1" */
#define STEP	   (1u << 20)		 /* that it grows by: reserving takes time */
#define AHEAD	   (512u << 10)		 /* allocated before it is needed, in both files */
#define AHEAD_CONN 2048u		 /* ... and for each connection */
#define RETRY	   4096u		 /* commits between two trials to allocate */
#define SLICE	   8192u
#define FILE_MAX_  (4ull << 30)
/* What a guest may hold to grow on while no room can be allocated ahead. */
#define MODEST (192u << 10)

struct journal_head {
	uint64_t magic;
	uint64_t epoch; /* grows with each open */
	uint64_t end;	/* of what is valid, in the file */
	uint8_t pad[40];
};

static struct journal_head *head(const struct store_journal_file *f)
{
	return (struct journal_head *)(void *)f->map;
}

static uint64_t padded(uint64_t bytes)
{
	return (bytes + 7) & ~7ull;
}

/* --- room --- */

/* Reserved, not only promised: a full tmpfs would end us by a signal. */
static int reserve(int fd, uint64_t from, uint64_t to)
{
	int rc;

	do
		rc = posix_fallocate(fd, (off_t)from, (off_t)(to - from));
	while (rc == EINTR);
	return -rc;
}

/* Room for `need` bytes is allocated. */
static bool file_grow(struct store_journal_file *f, uint64_t need)
{
	uint64_t room = f->room;
	void *map;

	while (room < need)
		room += STEP;
	if (room == f->room)
		return true;
	if (room > FILE_MAX_ || reserve(f->fd, f->room, room) < 0)
		return false;
	map = mremap(f->map, f->room, room, MREMAP_MAYMOVE);
	if (map == MAP_FAILED)
		return false;
	f->map = map;
	f->room = room;
	return true;
}

/* A big file's pages are not given back in no time, either. */
static void file_shrink(struct store_journal_file *f)
{
	if (f->room <= STEP || munmap(f->map + f->room - STEP, STEP) < 0) {
		store_journal_file_drop(f);
		return;
	}
	f->room -= STEP;
	if (ftruncate(f->fd, (off_t)f->room) < 0)
		store_journal_file_drop(f);
}

/* That a renewed file needs, and some more. */
static uint64_t spare_room(const struct store *s)
{
	return s->live + s->queued + AHEAD + (uint64_t)s->nconns * AHEAD_CONN;
}

/*
 * Whatever fills the folder later, there is room for what comes next in the file, and for all of it
 * in the spare one: so the journal can be renewed for ever as long as the tree does not grow.
 */
static void allocate_ahead(struct store *s)
{
	struct store_journal *j = s->journal;
	uint64_t spare = spare_room(s);
	bool have = j->next.map || j->spare.room >= spare;
	uint64_t need = j->file.end + AHEAD;

	if (have && j->file.room >= need && !j->tight)
		return;
	if (j->tight) { /* until something was allocated: what a renewal frees is no room */
		need = j->file.room + 1;
		if (j->pass && --j->pass)
			return;
	}
	have = have || (store_journal_spare(j) == 0 && file_grow(&j->spare, spare));
	j->tight = !have || !file_grow(&j->file, need);
	j->pass = RETRY;
}

bool store_journal_refuses(const struct store *s, uint64_t held)
{
	const struct store_journal *j = s->journal;

	if (!j || !j->tight)
		return false;
	return held > MODEST || j->spare.room + j->next.room < spare_room(s) - AHEAD / 2;
}

/* --- appending --- */

bool store_journal_append(struct store_journal_file *f, struct store_record_head r,
			  const struct store_part *part, uint32_t nparts)
{
	uint8_t *to;

	r.bytes = sizeof(r);
	for (uint32_t i = 0; i < nparts; i++)
		r.bytes += part[i].len;
	if (!file_grow(f, f->end + padded(r.bytes)))
		return false;
	to = f->map + f->end;
	memcpy(to, &r, sizeof(r));
	to += sizeof(r);
	for (uint32_t i = 0; i < nparts; i++) {
		if (part[i].data && part[i].len)
			memcpy(to, part[i].data, part[i].len);
		to += part[i].len;
	}
	f->end += padded(r.bytes);
	return true;
}

static void append(struct store *s, struct store_record_head r, const struct store_part *part,
		   uint32_t nparts)
{
	struct store_journal *j = s->journal;

	if (!j->torn)
		j->torn = !store_journal_append(&j->file, r, part, nparts);
}

void store_log(struct store *s, enum store_record type, uint16_t n, uint32_t domid, uint32_t value,
	       const struct store_part *part, uint32_t nparts)
{
	struct store_journal *j = s->journal;
	struct store_record_head r = {0, (uint16_t)type, n, domid, value};

	if (!j || !j->file.map)
		return;
	append(s, r, part, nparts);
	if (j->next.map)
		store_renew_conn(s, r, part, nparts);
}

void store_log_node(struct store *s, struct store_node *n, enum store_record type, uint16_t nperms,
		    uint32_t value, const struct store_part *part, uint32_t nparts)
{
	struct store_journal *j = s->journal;
	struct store_record_head r = {0, (uint16_t)type, nperms, 0, value};

	if (!j || !j->file.map)
		return;
	append(s, r, part, nparts);
	if (j->next.map)
		store_renew_node(s, n, r, part, nparts);
}

/* The group did not fit: a file that is written anew has what it has led to, and no more. Without
 * room for that either the last valid file is as it was, and connections wait. */
static void mend(struct store *s)
{
	struct store_journal *j = s->journal;

	j->stuck = store_journal_renew(s) < 0;
	j->torn = j->stuck;
}

void store_commit(struct store *s)
{
	struct store_journal *j = s->journal;

	if (!j || !j->file.map || j->stuck)
		return;
	if (j->torn) {
		mend(s);
		return;
	}
	if (j->file.end == head(&j->file)->end)
		return;
	__atomic_store_n(&head(&j->file)->end, j->file.end, __ATOMIC_RELEASE);
	allocate_ahead(s);
	if (j->next.map)
		store_renew_go_on(s);
	else if (j->spare.room > spare_room(s) + 2 * STEP)
		file_shrink(&j->spare);
	else if (j->file.end > j->renewed + j->renewed / 2 + STEP ||
		 (j->tight && j->file.end > j->renewed + AHEAD / 4 &&
		  j->file.room < j->file.end + AHEAD / 2))
		(void)store_renew_begin(s); /* else it goes on growing */
}

enum store_room store_retry(struct store *s)
{
	struct store_journal *j = s->journal;

	if (!j)
		return STORE_ROOM_FINE;
	j->pass = 0;
	if (j->stuck) {
		mend(s);
		if (!j->stuck)
			store_wake_all(s);
	}
	if (!j->stuck)
		allocate_ahead(s);
	return store_room(s);
}

enum store_room store_room(const struct store *s)
{
	const struct store_journal *j = s->journal;

	if (j && j->stuck)
		return STORE_ROOM_NONE;
	return j && j->tight ? STORE_ROOM_TIGHT : STORE_ROOM_FINE;
}

uint64_t store_journal_bytes(const struct store *s)
{
	const struct store_journal *j = s->journal;

	return j && j->file.map && !j->stuck ? j->file.end : 0;
}

/* --- files --- */

static int map_all(struct store_journal_file *f, uint64_t room)
{
	void *at = MAP_FAILED;
	int rc = reserve(f->fd, 0, room);

	if (rc == 0) {
		at = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, f->fd, 0);
		rc = at == MAP_FAILED ? -errno : 0;
	}
	if (rc < 0)
		return rc;
	f->map = at;
	f->room = room;
	return 0;
}

/* Opens or makes the file with all of its bytes allocated, at least STEP; what it says is void. */
static int file_make(const char *path, struct store_journal_file *f)
{
	struct stat st;
	int rc = 0;

	*f = (struct store_journal_file){.fd = -1};
	f->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (f->fd < 0 || fstat(f->fd, &st) < 0)
		rc = -errno;
	else if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > FILE_MAX_)
		rc = -EBADMSG;
	else
		rc = map_all(f, st.st_size > STEP ? (uint64_t)st.st_size : STEP);
	if (rc < 0)
		store_journal_file_drop(f);
	return rc;
}

int store_journal_spare(struct store_journal *j)
{
	char path[512];

	if (j->spare.map)
		return 0;
	if (snprintf(path, sizeof(path), "%s.new", j->path) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return file_make(path, &j->spare);
}

void store_journal_file_begin(struct store_journal_file *f, uint64_t epoch)
{
	f->end = sizeof(struct journal_head);
	*head(f) = (struct journal_head){.magic = MAGIC, .epoch = epoch};
}

void store_journal_file_seal(struct store_journal_file *f)
{
	__atomic_store_n(&head(f)->end, f->end, __ATOMIC_RELEASE);
}

void store_journal_file_drop(struct store_journal_file *f)
{
	if (f->map)
		(void)munmap(f->map, f->room);
	if (f->fd >= 0)
		(void)close(f->fd);
	*f = (struct store_journal_file){.fd = -1};
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
	j->old_end = h.end;
	if (h.end >= sizeof(h)) { /* 0: an older version gave it up */
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
	j->file.fd = j->next.fd = j->spare.fd = -1;
	j->epoch = 1;
	j->slice = SLICE;
	j->path = strdup(path);
	s->journal = j;
	if (!j->path)
		return err_set(e, ENOMEM, "out of memory");
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "%s", path);
	rc = read_old(j, fd, data, len);
	(void)close(fd);
	s->gen = j->epoch << 40; /* lists of before are not what they were */
	return rc;
}

void store_journal_read(struct store_journal *j)
{
	if (j->old)
		(void)munmap(j->old, j->old_len);
	j->old = NULL;
}

int store_journal_keep(struct store *s)
{
	struct store_journal *j = s->journal;
	int rc = -ENOENT;

	if (j->old_end >= sizeof(struct journal_head)) {
		rc = file_make(j->path, &j->file);
		if (rc == 0) {
			j->file.end = j->renewed = j->old_end;
			head(&j->file)->epoch = j->epoch;
		}
	}
	j->tight = true;
	j->stuck = j->torn = rc < 0;
	return rc;
}

void store_journal_close(struct store *s)
{
	struct store_journal *j = s->journal;

	if (!j)
		return;
	store_renew_end(s);
	s->journal = NULL;
	store_journal_file_drop(&j->file);
	store_journal_file_drop(&j->spare);
	store_journal_read(j);
	free(j->path);
	free(j);
}
