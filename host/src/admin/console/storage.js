// What a browser keeps for the pages. Where it may keep nothing, because that is forbidden or there is no room, it is kept
// until the page is left: no page fails for that.

function keeper(open) {
  const instead = new Map();
  const attempt = (act) => {
    try {
      return act(open());
    } catch {
      return undefined;
    }
  };
  return {
    get: (name) => instead.get(name) ?? attempt((place) => place.getItem(name)) ?? null,
    set(name, value) {
      instead.set(name, value);
      attempt((place) => {
        place.setItem(name, value);
        instead.delete(name);
      });
    },
    remove(name) {
      instead.delete(name);
      attempt((place) => place.removeItem(name));
    },
  };
}

/** Until the tab is closed. */
export const tab = keeper(() => sessionStorage);

/** From one visit to the next. */
export const browser = keeper(() => localStorage);
