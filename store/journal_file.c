/* SPDX-License-Identifier: BSD-3-Clause */
/* The files of the journal: allocates space, and appends records. */
#include "store/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX_ (4ull << 30)
/* A guest with at most this much may add more while no space can be allocated in advance. */
#define MODEST (192u << 10)

static uint64_t padded(uint64_t bytes)
{
	return (bytes + 7) & ~7ull;
}

/* --- room --- */

/* Space is allocated, because writing to a full tmpfs through a mapping ends the process by a
 * signal. */
static int reserve(int fd, uint64_t from, uint64_t to)
{
	int rc;

	do
		rc = posix_fallocate(fd, (off_t)from, (off_t)(to - from));
	while (rc == EINTR);
	return -rc;
}

bool store_journal_file_grow(struct store_journal_file *f, uint64_t need)
{
	uint64_t room = f->room;
	void *map;

	while (room < need)
		room += STORE_J_STEP;
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

void store_journal_file_shrink(struct store_journal_file *f)
{
	if (f->room <= STORE_J_STEP || munmap(f->map + f->room - STORE_J_STEP, STORE_J_STEP) < 0) {
		store_journal_file_drop(f);
		return;
	}
	f->room -= STORE_J_STEP;
	if (ftruncate(f->fd, (off_t)f->room) < 0)
		store_journal_file_drop(f);
}

bool store_journal_refuses(const struct store *s, uint64_t held)
{
	const struct store_journal *j = s->journal;

	if (!j || !j->tight)
		return false;
	return held > MODEST ||
	       j->spare.room + j->next.room < store_journal_spare_room(s) - STORE_J_AHEAD / 2;
}

/* --- records --- */

bool store_journal_append(struct store_journal_file *f, struct store_record_head r,
			  const struct store_part *part, uint32_t nparts)
{
	uint8_t *to;

	r.bytes = sizeof(r);
	for (uint32_t i = 0; i < nparts; i++)
		r.bytes += part[i].len;
	if (!store_journal_file_grow(f, f->end + padded(r.bytes)))
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

/* --- files --- */

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

int store_journal_file_make(const char *path, struct store_journal_file *f)
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
		rc = map_all(f, st.st_size > STORE_J_STEP ? (uint64_t)st.st_size : STORE_J_STEP);
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
	return store_journal_file_make(path, &j->spare);
}

void store_journal_file_begin(struct store_journal_file *f, uint64_t epoch)
{
	f->end = sizeof(struct journal_head);
	*store_journal_head(f) = (struct journal_head){.magic = STORE_J_MAGIC, .epoch = epoch};
}

void store_journal_file_seal(struct store_journal_file *f)
{
	__atomic_store_n(&store_journal_head(f)->end, f->end, __ATOMIC_RELEASE);
}

void store_journal_file_drop(struct store_journal_file *f)
{
	if (f->map)
		(void)munmap(f->map, f->room);
	if (f->fd >= 0)
		(void)close(f->fd);
	*f = (struct store_journal_file){.fd = -1};
}
