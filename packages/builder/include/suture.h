/*
 * What a fix may use to become a hotpatch although it would otherwise need a restart.
 *
 *     #include "suture.h"
 *
 * in the fixed source; `suture build` knows where this file is. Callbacks run once in the process when
 * the hotpatch is applied or reverted. Shadow variables attach data to objects that exist already, for
 * fixes that add a member to a struct. docs/writing-hotpatches.md has the rules and an example.
 *
 * C89 with the extensions of gcc and clang; x86-64 Linux.
 */
#ifndef SUTURE_H
#define SUTURE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

/*
 * Callbacks. Each runs at most once, in one of the process's threads, while all threads stand still:
 *
 *     SUTURE_PRE_APPLY(f)     int f(void)    before the new code takes over; not 0: it does not
 *     SUTURE_POST_APPLY(f)    void f(void)   when it has taken over
 *     SUTURE_PRE_REVERT(f)    void f(void)   before the original code takes over again
 *     SUTURE_POST_REVERT(f)   void f(void)   when it has
 *
 * The function must be new with the fix, static, and not take locks: whoever holds one stands still.
 * That includes malloc, free and stdio. It has a stack of 64 KiB and a second of time.
 */
#define SUTURE_PRE_APPLY(f) SUTURE_CALLBACK_(pre_apply, int, f)
#define SUTURE_POST_APPLY(f) SUTURE_CALLBACK_(post_apply, void, f)
#define SUTURE_PRE_REVERT(f) SUTURE_CALLBACK_(pre_revert, void, f)
#define SUTURE_POST_REVERT(f) SUTURE_CALLBACK_(post_revert, void, f)

#define SUTURE_CALLBACK_(when, type, f)                                     \
  static type (*const suture_##when##_##f)(void)                           \
      __attribute__((used, section(".suture.callbacks." #when))) = f

/*
 * Shadow variables: data of `size` bytes that belongs to the object at address `obj`, told apart from
 * others of that object by `id`, which is any number. The functions may be called by any thread at
 * any time, and from callbacks. They call neither malloc nor free.
 *
 * Whoever frees an object has to free its shadow variables, or a later object at that address gets
 * them. What is left when the hotpatch is reverted goes with suture_shadow_free_everything, called
 * from a post-revert callback.
 */
#define SUTURE_SHADOW_FUNCTION_ static __inline__ __attribute__((unused))

/* Fills in a new shadow variable, which is all zeros. Not 0: it is not made. */
typedef int (*suture_shadow_ctor)(void *obj, void *data);
/* Sees a shadow variable for the last time. */
typedef void (*suture_shadow_dtor)(void *obj, void *data);

#define SUTURE_SHADOW_BUCKETS_ 256
#define SUTURE_SHADOW_CLASSES_ 8
#define SUTURE_SHADOW_CHUNK_ 65536

struct suture_shadow_ {
  struct suture_shadow_ *next;
  void *obj;
  uint64_t id;
  /* Bytes with this header. */
  size_t room;
};

struct suture_shadow_chunk_ {
  struct suture_shadow_chunk_ *next;
  size_t size;
};

/*
 * One table in a hotpatch, whichever sources include this file. A newer hotpatch takes it over as it
 * takes over every new variable, so a change of its form has to come with a change of its name.
 */
struct suture_shadow_table_1 {
  int lock;
  struct suture_shadow_ *buckets[SUTURE_SHADOW_BUCKETS_];
  /* What was freed, by size: 64, 128 ... 8192 bytes. Larger ones have a chunk to themselves. */
  struct suture_shadow_ *unused[SUTURE_SHADOW_CLASSES_];
  struct suture_shadow_chunk_ *chunks;
  char *rest;
  size_t left;
};
__attribute__((weak, visibility("hidden"))) struct suture_shadow_table_1 suture_shadow_table_1;

/*
 * A thread that holds the lock is inside code of the hotpatch, and no callback runs while a thread is
 * there: so callbacks never wait here.
 */
SUTURE_SHADOW_FUNCTION_ void suture_shadow_lock_(void) {
  while (__atomic_exchange_n(&suture_shadow_table_1.lock, 1, __ATOMIC_ACQUIRE)) {
    while (__atomic_load_n(&suture_shadow_table_1.lock, __ATOMIC_RELAXED)) __builtin_ia32_pause();
  }
}

SUTURE_SHADOW_FUNCTION_ void suture_shadow_unlock_(void) {
  __atomic_store_n(&suture_shadow_table_1.lock, 0, __ATOMIC_RELEASE);
}

SUTURE_SHADOW_FUNCTION_ struct suture_shadow_ **suture_shadow_bucket_(void *obj, uint64_t id) {
  uint64_t key = ((uint64_t)(uintptr_t)obj >> 4) + id * 0x9e3779b97f4a7c15u;
  key *= 0x9e3779b97f4a7c15u;
  return &suture_shadow_table_1.buckets[key >> 56];
}

SUTURE_SHADOW_FUNCTION_ void *suture_shadow_data_(struct suture_shadow_ *shadow) {
  return (char *)shadow + sizeof *shadow;
}

SUTURE_SHADOW_FUNCTION_ struct suture_shadow_ *suture_shadow_find_(void *obj, uint64_t id) {
  struct suture_shadow_ *shadow = *suture_shadow_bucket_(obj, id);
  while (shadow && (shadow->obj != obj || shadow->id != id)) shadow = shadow->next;
  return shadow;
}

SUTURE_SHADOW_FUNCTION_ struct suture_shadow_chunk_ *suture_shadow_map_(size_t size) {
  struct suture_shadow_chunk_ *chunk = (struct suture_shadow_chunk_ *)mmap(
      NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | 0x20 /* MAP_ANONYMOUS */, -1, 0);
  if ((void *)chunk == MAP_FAILED) return NULL;
  chunk->size = size;
  chunk->next = suture_shadow_table_1.chunks;
  suture_shadow_table_1.chunks = chunk;
  return chunk;
}

/* The class of a size, or SUTURE_SHADOW_CLASSES_ where it is too large for any. */
SUTURE_SHADOW_FUNCTION_ int suture_shadow_class_(size_t room) {
  int of = 0;
  while (of < SUTURE_SHADOW_CLASSES_ && ((size_t)64 << of) < room) of++;
  return of;
}

/* Zeroed memory for a shadow variable of `size` bytes; the lock is held. */
SUTURE_SHADOW_FUNCTION_ struct suture_shadow_ *suture_shadow_take_(size_t size) {
  struct suture_shadow_table_1 *table = &suture_shadow_table_1;
  struct suture_shadow_ *shadow;
  struct suture_shadow_chunk_ *chunk;
  size_t room = size + sizeof *shadow;
  int of = suture_shadow_class_(room);
  if (room < size || room > ((size_t)1 << 40)) return NULL;
  if (of == SUTURE_SHADOW_CLASSES_) {
    chunk = suture_shadow_map_(room + 16);
    if (!chunk) return NULL;
    shadow = (struct suture_shadow_ *)((char *)chunk + 16);
  } else if (table->unused[of]) {
    room = (size_t)64 << of;
    shadow = table->unused[of];
    table->unused[of] = shadow->next;
    memset(shadow, 0, room);
  } else {
    room = (size_t)64 << of;
    if (table->left < room) {
      chunk = suture_shadow_map_(SUTURE_SHADOW_CHUNK_);
      if (!chunk) return NULL;
      table->rest = (char *)chunk + 16;
      table->left = SUTURE_SHADOW_CHUNK_ - 16;
    }
    shadow = (struct suture_shadow_ *)table->rest;
    table->rest += room;
    table->left -= room;
  }
  shadow->room = room;
  return shadow;
}

/* Gives memory back; the lock is held. */
SUTURE_SHADOW_FUNCTION_ void suture_shadow_drop_(struct suture_shadow_ *shadow) {
  struct suture_shadow_chunk_ **at = &suture_shadow_table_1.chunks;
  struct suture_shadow_chunk_ *chunk;
  int of = suture_shadow_class_(shadow->room);
  if (of < SUTURE_SHADOW_CLASSES_) {
    shadow->next = suture_shadow_table_1.unused[of];
    suture_shadow_table_1.unused[of] = shadow;
    return;
  }
  while (*at && (char *)*at + 16 != (char *)shadow) at = &(*at)->next;
  chunk = *at;
  if (!chunk) return;
  *at = chunk->next;
  munmap(chunk, chunk->size);
}

/* The shadow variable, or NULL where the object has none with this id. */
SUTURE_SHADOW_FUNCTION_ void *suture_shadow_get(void *obj, uint64_t id) {
  struct suture_shadow_ *shadow;
  suture_shadow_lock_();
  shadow = suture_shadow_find_(obj, id);
  suture_shadow_unlock_();
  return shadow ? suture_shadow_data_(shadow) : NULL;
}

/*
 * The shadow variable, made first where there is none: zeros, and then what `ctor` (may be NULL) writes.
 * NULL where there is no memory, or `ctor` says no. `ctor` must not call these functions.
 */
SUTURE_SHADOW_FUNCTION_ void *suture_shadow_get_or_alloc(void *obj, uint64_t id, size_t size,
                                                         suture_shadow_ctor ctor) {
  struct suture_shadow_ *shadow;
  struct suture_shadow_ **bucket = suture_shadow_bucket_(obj, id);
  suture_shadow_lock_();
  shadow = suture_shadow_find_(obj, id);
  if (!shadow) {
    shadow = suture_shadow_take_(size);
    if (shadow && ctor && ctor(obj, suture_shadow_data_(shadow))) {
      suture_shadow_drop_(shadow);
      shadow = NULL;
    }
    if (shadow) {
      shadow->obj = obj;
      shadow->id = id;
      shadow->next = *bucket;
      *bucket = shadow;
    }
  }
  suture_shadow_unlock_();
  return shadow ? suture_shadow_data_(shadow) : NULL;
}

/* Frees one shadow variable, if there is one; `dtor` (may be NULL) sees it before. */
SUTURE_SHADOW_FUNCTION_ void suture_shadow_free(void *obj, uint64_t id, suture_shadow_dtor dtor) {
  struct suture_shadow_ **at = suture_shadow_bucket_(obj, id);
  struct suture_shadow_ *shadow;
  suture_shadow_lock_();
  while (*at && ((*at)->obj != obj || (*at)->id != id)) at = &(*at)->next;
  shadow = *at;
  if (shadow) *at = shadow->next;
  suture_shadow_unlock_();
  if (!shadow) return;
  if (dtor) dtor(obj, suture_shadow_data_(shadow));
  suture_shadow_lock_();
  suture_shadow_drop_(shadow);
  suture_shadow_unlock_();
}

/* Frees the shadow variables of all objects with this id. */
SUTURE_SHADOW_FUNCTION_ void suture_shadow_free_all(uint64_t id, suture_shadow_dtor dtor) {
  struct suture_shadow_ *found = NULL;
  struct suture_shadow_ *next;
  struct suture_shadow_ **at;
  int bucket;
  suture_shadow_lock_();
  for (bucket = 0; bucket < SUTURE_SHADOW_BUCKETS_; bucket++) {
    at = &suture_shadow_table_1.buckets[bucket];
    while (*at) {
      next = *at;
      if (next->id == id) {
        *at = next->next;
        next->next = found;
        found = next;
      } else {
        at = &next->next;
      }
    }
  }
  suture_shadow_unlock_();
  for (; found; found = next) {
    next = found->next;
    if (dtor) dtor(found->obj, suture_shadow_data_(found));
    suture_shadow_lock_();
    suture_shadow_drop_(found);
    suture_shadow_unlock_();
  }
}

/* Gives all memory back. For the last post-revert callback: no shadow variable is left. */
SUTURE_SHADOW_FUNCTION_ void suture_shadow_free_everything(void) {
  struct suture_shadow_chunk_ *chunk = suture_shadow_table_1.chunks;
  struct suture_shadow_chunk_ *next;
  memset(&suture_shadow_table_1, 0, sizeof suture_shadow_table_1);
  for (; chunk; chunk = next) {
    next = chunk->next;
    munmap(chunk, chunk->size);
  }
}

#endif
