/* SPDX-License-Identifier: BSD-3-Clause */
/* The stream of a saved guest, byte by byte: man 5 chaos-save. All numbers are little-endian,
 * reserved bytes and padding are zero. */
#ifndef CHAOS_LIBDOM_SAVE_FORMAT_H
#define CHAOS_LIBDOM_SAVE_FORMAT_H

#include <stdint.h>

#define SAVE_MAGIC     "chaosVM\n" /* 8 bytes, without the NUL */
#define SAVE_END_MAGIC "chaosEND"
#define SAVE_VERSION   1u

enum save_kind {
	SAVE_KIND_NOXS = 1,
	SAVE_KIND_LINUX = 2,	/* PVH, with a store: guests of other toolstacks */
	SAVE_KIND_PV_LINUX = 3, /* the same for PV: in place of pages is libxenguest's stream */
};
enum save_compression { SAVE_PLAIN_PAGES = 0 }; /* form of the pages in the stream */
enum save_vendor { SAVE_VENDOR_AMD = 1, SAVE_VENDOR_INTEL = 2 };

/* The guest has set NOXS_CAN_PLAIN. PVH: only the CPU record of each vCPU is in the stream. */
#define SAVE_FLAG_PLAIN (1u << 0)
/* PV: its page tables are those that the builder makes, and are not in the stream. */
#define SAVE_FLAG_OWN_TABLES (1u << 1)
#define SAVE_FLAGS	     (SAVE_FLAG_PLAIN | SAVE_FLAG_OWN_TABLES)
/* PVH, of a VM that is copied while it runs, never in a file: no states, runs and pages here;
 * batches of pages follow, and after the last one another header without this flag. */
#define SAVE_FLAG_LIVE (1u << 2)

#define SAVE_PARAMS 5u

struct save_header {
	uint8_t magic[8];
	uint32_t version;
	uint32_t header_bytes; /* sizeof(struct save_header) */
	uint32_t kind;
	uint32_t flags;
	uint32_t compression;
	uint32_t type; /* 0 PV, 1 PVH */
	/* 0x20: needed to make a shell */
	uint64_t pages;
	uint32_t vcpus;
	uint32_t ring_pages;
	uint32_t limit[5]; /* struct dom_limits, in its order */
	uint32_t vendor;
	/* 0x48: where the builder has placed these; must be the same after a restore */
	uint64_t dev_gfn;
	uint64_t control_gfn;
	uint64_t shared_info_gfn;
	uint64_t page_table_gfn;
	uint64_t page_table_pages;
	uint64_t grant_gfn;
	uint64_t grant_frames;
	uint64_t image_end_gfn;
	/* 0x88: sizes of the sections that follow, in this order; each begins at a multiple of 8 */
	uint32_t owner_bytes;	/* bytes of the toolstack */
	uint32_t feature_words; /* u32: features that the CPU must have */
	uint32_t cpu_bytes;	/* struct save_cpu, each followed by its bytes */
	uint32_t runs;		/* struct save_run */
	uint64_t present;  /* pages of 4096 bytes, of all runs that have pages in the stream, in the
			      order of the runs; SAVE_KIND_PV_LINUX: blocks of 4096 bytes */
	uint64_t saved_ns; /* since 1970-01-01 UTC */
	/* 0xa8: SAVE_KIND_LINUX: HVM parameters, in the order of save_linux_params[];
	 * SAVE_KIND_PV_LINUX: the first one is the number of frames that the kernel knows */
	uint64_t param[SAVE_PARAMS];
	uint8_t reserved[0xf0 - 0xa8 - 8 * SAVE_PARAMS];
	uint64_t sections_hash; /* XXH3, 64 bits: of the sections before the pages */
	uint64_t header_hash;	/* of the header before this field */
};

/* The state of a vCPU. */
struct save_cpu {
	uint32_t vcpu;
	uint32_t bytes; /* bytes that follow, padded to 8 */
};

enum save_run_kind {
	SAVE_RUN_PAGES = 1,
	SAVE_RUN_ZERO = 2, /* not in the stream */
	SAVE_RUN_L1 = 3,   /* page tables of PV: the entries have guest frames instead of */
	SAVE_RUN_L2 = 4,   /* machine frames */
	SAVE_RUN_L3 = 5,
	SAVE_RUN_L4 = 6,
};

/* In ascending order, without overlap. A frame in no run may have any contents after a restore. */
struct save_run {
	uint64_t gfn;
	uint32_t pages;
	uint32_t kind;
};

/* A batch of a live stream. */
struct save_batch {
	uint32_t kind; /* enum save_batch_kind */
	uint32_t runs; /* SAVE_BATCH_PAGES: number of runs that follow, of kinds SAVE_RUN_PAGES and
			  SAVE_RUN_ZERO */
	uint64_t n; /* SAVE_BATCH_PAGES: pages after these; SAVE_BATCH_ROUND: number of the round */
};

enum save_batch_kind {
	SAVE_BATCH_PAGES = 1, /* runs ascend within a round */
	SAVE_BATCH_ROUND,     /* the end of a round; the first round is 1 */
	SAVE_BATCH_LAST,      /* a header and the rest follow */
};

#define SAVE_BATCH_MOST 512u /* maximal number of runs, and of pages, of a batch */
#define SAVE_ROUNDS_MAX 30u

/* After the pages. */
struct save_end {
	uint8_t magic[8];
	uint64_t pages_hash; /* XXH3, 64 bits: of all pages in the stream, and of all batches */
};

#define SAVE_RUNS_MAX	  65536u /* if there are more, gaps are filled */
#define SAVE_FEATURES_MAX 64u
#define SAVE_CPU_MAX	  32768u /* bytes of one vCPU */
#define SAVE_PAGES_MAX	  (1ull << 28)

_Static_assert(sizeof(struct save_header) == 0x100, "header");
_Static_assert(__builtin_offsetof(struct save_header, pages) == 0x20, "shell");
_Static_assert(__builtin_offsetof(struct save_header, dev_gfn) == 0x48, "layout");
_Static_assert(__builtin_offsetof(struct save_header, owner_bytes) == 0x88, "sections");
_Static_assert(sizeof(struct save_run) == 16, "run");
_Static_assert(sizeof(struct save_batch) == 16, "batch");
_Static_assert(sizeof(struct save_end) == 16, "end");

#endif
