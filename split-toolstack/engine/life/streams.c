/* SPDX-License-Identifier: BSD-3-Clause */
/* Saves and restores under way, counted. */
#include "split-toolstack/engine/life/streams.h"

#include <errno.h>
#include <time.h>
#include <sys/sysinfo.h>

#include <utlist.h>

#include "split-toolstack/engine/engine-t.h"
#include "split-toolstack/engine/files/files.h"

int streams_take(struct engine *en, stream_id *id, struct err *e)
{
	if (en->streams.n >= STREAMS_MOST)
		return err_set(e, EBUSY,
			       "%u saves and restores are under way already; try again later",
			       STREAMS_MOST);
	en->streams.n++;
	*id = ++en->streams.last;
	return 0;
}

void streams_give(struct engine *en)
{
	struct stream_wait *w;

	en->streams.n--;
	/* More than one: what fails at once takes none. */
	while ((w = en->streams.waiting) != NULL && en->streams.n < STREAMS_MOST) {
		DL_DELETE(en->streams.waiting, w);
		w->fn(w, false);
	}
}

bool streams_full(const struct engine *en)
{
	return en->streams.waiting || en->streams.n >= STREAMS_MOST;
}

bool streams_wait(struct engine *en, struct stream_wait *w)
{
	if (!streams_full(en))
		return false;
	DL_APPEND(en->streams.waiting, w);
	return true;
}

void streams_limit(struct engine *en)
{
	struct sysinfo info;
	uint64_t most = en->conf.branch_kib << 10;

	if (most == 0 && sysinfo(&info) == 0)
		most = (uint64_t)info.totalram * info.mem_unit / 4;
	__atomic_store_n(&en->streams.memory.most, most, __ATOMIC_RELAXED);
}

void streams_end(struct engine *en)
{
	struct stream_wait *w;

	__atomic_store_n(&en->streams.closing, true, __ATOMIC_RELEASE);
	while ((w = en->streams.waiting) != NULL) {
		DL_DELETE(en->streams.waiting, w);
		w->fn(w, true);
	}
}

#define BREATH_NS 2000000

void streams_breathe(struct engine *en)
{
	const struct timespec t = {.tv_nsec = BREATH_NS};

	if (!__atomic_load_n(&en->streams.closing, __ATOMIC_ACQUIRE))
		(void)nanosleep(&t, NULL);
}

int streams_no_handle(struct err *e)
{
	return err_set(e, EAGAIN, "Xen cannot be opened once more now; the log of chaosd says why");
}

void stream_close(struct engine *en, struct transfer *file)
{
	file_close(en->opener, FILE_READ, file->fd);
	file->fd = -1;
	transfer_close(file);
}
