/* SPDX-License-Identifier: BSD-3-Clause */
/* The journal: records appended to a mapped file, valid as soon as the header says how far.
 *
 * It must survive the process, not the host: what was stored into a shared mapping is in the file
 * whatever becomes of us. So a change costs copying, and no system call.
 */
#include "noxs/store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC	  0x3165726f74736863ull /* "chstore1" */
#define STEP	  (1u << 20)		/* that it grows by: reserving takes time */
#define SLICE	  8192u
#define FILE_MAX_ (4ull << 30)

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

/* --- appending --- */

static void lose(struct store_journal *j)
{
	j->lost = true;
	__atomic_store_n(&head(&j->file)->end, 0, __ATOMIC_RELEASE);
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

static bool grow(struct store_journal_file *f, uint64_t need)
{
	uint64_t room = f->room;
	void *map;

	while (room < need)
		room += STEP;
	if (room > FILE_MAX_ || reserve(f->fd, f->room, room) < 0)
		return false;
	map = mremap(f->map, f->room, room, MREMAP_MAYMOVE);
	if (map == MAP_FAILED)
		return false;
	f->map = map;
	f->room = room;
	return true;
}

bool store_journal_append(struct store_journal_file *f, struct store_record_head r,
			  const struct store_part *part, uint32_t nparts)
{
	uint8_t *to;

	r.bytes = sizeof(r);
	for (uint32_t i = 0; i < nparts; i++)
		r.bytes += part[i].len;
	if (f->end + padded(r.bytes) > f->room && !grow(f, f->end + padded(r.bytes)))
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

	if (j->lost || store_journal_append(&j->file, r, part, nparts))
		return;
	store_renew_end(s); /* room for what matters more */
	store_journal_file_drop(&j->gone);
	if (!store_journal_append(&j->file, r, part, nparts))
		lose(j);
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

void store_commit(struct store *s)
{
	struct store_journal *j = s->journal;

	if (!j || !j->file.map || j->lost || j->file.end == head(&j->file)->end)
		return;
	__atomic_store_n(&head(&j->file)->end, j->file.end, __ATOMIC_RELEASE);
	if (j->next.map || j->gone.map)
		store_renew_go_on(s);
	else if (j->file.end > 2 * j->renewed + STEP)
		(void)store_renew_begin(s); /* else it goes on growing */
}

uint64_t store_journal_bytes(const struct store *s)
{
	const struct store_journal *j = s->journal;

	return j && j->file.map && !j->lost ? j->file.end : 0;
}

/* --- files --- */

int store_journal_file_make(const char *path, uint64_t epoch, struct store_journal_file *f)
{
	void *at = MAP_FAILED;
	int rc;

	*f = (struct store_journal_file){.fd = -1};
	f->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (f->fd < 0)
		return -errno;
	rc = reserve(f->fd, 0, STEP);
	if (rc == 0) {
		at = mmap(NULL, STEP, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, f->fd, 0);
		rc = at == MAP_FAILED ? -errno : 0;
	}
	if (rc < 0) {
		store_journal_file_drop(f);
		return rc;
	}
	f->map = at;
	f->room = STEP;
	f->end = sizeof(struct journal_head);
	*head(f) = (struct journal_head){.magic = MAGIC, .epoch = epoch};
	return 0;
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

/* A big file's pages are not given back in no time, either. */
void store_journal_file_shrink(struct store_journal_file *f)
{
	if (f->room <= STEP || munmap(f->map + f->room - STEP, STEP) < 0) {
		store_journal_file_drop(f);
		return;
	}
	f->room -= STEP;
	if (ftruncate(f->fd, (off_t)f->room) < 0)
		store_journal_file_drop(f);
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
	j->file.fd = j->next.fd = j->gone.fd = -1;
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

void store_journal_close(struct store *s)
{
	struct store_journal *j = s->journal;

	if (!j)
		return;
	store_renew_end(s);
	s->journal = NULL;
	store_journal_file_drop(&j->file);
	store_journal_file_drop(&j->gone);
	if (j->old)
		(void)munmap(j->old, j->old_len);
	free(j->path);
	free(j);
}
