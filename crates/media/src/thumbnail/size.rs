//! Which sizes thumbnails are made in, and which part of an image they show.

use transport::questions::{ThumbnailMethod, ThumbnailQuestion};

/// Those that the specification recommends, as they are asked for most, and one for large screens.
const SCALED: [(u32, u32); 6] = [(32, 32), (96, 96), (320, 240), (640, 480), (800, 600), (1600, 1200)];
/// Widths of cut thumbnails.
const CROPPED: [u32; 6] = [32, 96, 320, 640, 800, 1600];

/// The size that a thumbnail is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) method: ThumbnailMethod,
}

/// What to do with an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// The part that is shown: left, top, width, height.
    pub(super) part: (u32, u32, u32, u32),
    /// The size that it gets.
    pub(super) size: (u32, u32),
}

impl Target {
    /// Rounds up, so that a few sizes serve everybody. A ratio to be cut to stays as it is, as far as whole pixels allow.
    pub(crate) fn of(question: &ThumbnailQuestion) -> Self {
        let ThumbnailQuestion { width, height, method, motion: _ } = *question;
        let (width, height) = match method {
            ThumbnailMethod::Scale => {
                let fits = |size: &&(u32, u32)| size.0 >= width && size.1 >= height;
                SCALED.iter().find(fits).copied().unwrap_or((width, height))
            }
            ThumbnailMethod::Crop => match CROPPED.iter().find(|rung| **rung >= width) {
                Some(rung) => (*rung, divide_up(u64::from(height) * u64::from(*rung), width)),
                None => (width, height),
            },
        };
        Self { width, height, method }
    }

    /// Returns what to show of an image, or `None` if the image itself is what is wanted. Nothing is ever enlarged, and nothing
    /// gets smaller than the target, unless the image is.
    pub(super) fn plan(&self, image: (u32, u32)) -> Option<Plan> {
        let (width, height) = image;
        if width <= self.width && height <= self.height {
            return None;
        }
        let is_wider = ratio_is_larger(image, (self.width, self.height));
        match self.method {
            ThumbnailMethod::Scale => {
                // Both sides at least as long as was asked for: one is exact, the other longer.
                let size = if is_wider {
                    (divide_up(u64::from(width) * u64::from(self.height), height), self.height)
                } else {
                    (self.width, divide_up(u64::from(height) * u64::from(self.width), width))
                };
                let shrinks = size.0 < width && size.1 < height;
                shrinks.then_some(Plan { part: (0, 0, width, height), size })
            }
            ThumbnailMethod::Crop => {
                let part = if is_wider {
                    (divide(u64::from(height) * u64::from(self.width), self.height).clamp(1, width), height)
                } else {
                    (width, divide(u64::from(width) * u64::from(self.height), self.width).clamp(1, height))
                };
                let size = if part.0 > self.width || part.1 > self.height { (self.width, self.height) } else { part };
                let size = (size.0.min(part.0), size.1.min(part.1));
                let corner = ((width - part.0) / 2, (height - part.1) / 2);
                let plan = Plan { part: (corner.0, corner.1, part.0, part.1), size };
                (plan.size != image).then_some(plan)
            }
        }
    }
}

/// Says whether `a` is wider, for its height, than `b`.
fn ratio_is_larger(a: (u32, u32), b: (u32, u32)) -> bool {
    u64::from(a.0) * u64::from(b.1) > u64::from(b.0) * u64::from(a.1)
}

fn divide(number: u64, by: u32) -> u32 {
    u32::try_from(number / u64::from(by.max(1))).unwrap_or(u32::MAX)
}

fn divide_up(number: u64, by: u32) -> u32 {
    u32::try_from(number.div_ceil(u64::from(by.max(1)))).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use ThumbnailMethod::{Crop, Scale};
    use transport::questions::Motion;

    use super::*;

    fn target(method: ThumbnailMethod, width: u32, height: u32) -> Target {
        Target::of(&ThumbnailQuestion { width, height, method, motion: Motion::Still })
    }

    #[test]
    fn wishes_are_rounded_up_to_a_few_sizes() {
        for (method, wish, expected) in [
            (Scale, (1, 1), (32, 32)),
            (Scale, (32, 32), (32, 32)),
            (Scale, (33, 1), (96, 96)),
            (Scale, (320, 240), (320, 240)),
            (Scale, (240, 320), (640, 480)),
            (Scale, (800, 600), (800, 600)),
            (Scale, (5000, 5000), (5000, 5000)),
            (Crop, (32, 32), (32, 32)),
            (Crop, (90, 90), (96, 96)),
            (Crop, (200, 100), (320, 160)),
            (Crop, (5000, 1), (5000, 1)),
            (Crop, (1, u32::MAX), (32, u32::MAX)),
        ] {
            let target = target(method, wish.0, wish.1);
            assert_eq!((target.width, target.height), expected, "{method:?} {wish:?}");
        }
    }

    #[test]
    fn parts_and_sizes_follow_the_method() {
        let whole = |width, height, size| Some(Plan { part: (0, 0, width, height), size });
        for (method, wish, image, expected) in [
            (Scale, (320, 240), (3200, 2400), whole(3200, 2400, (320, 240))),
            (Scale, (320, 240), (3200, 1200), whole(3200, 1200, (640, 240))),
            (Scale, (320, 240), (1200, 3200), whole(1200, 3200, (320, 854))),
            (Scale, (320, 240), (320, 240), None),
            (Scale, (320, 240), (100, 100), None),
            // It cannot shrink without one side becoming shorter than was asked for.
            (Scale, (320, 240), (5000, 200), None),
            (Crop, (96, 96), (300, 200), Some(Plan { part: (50, 0, 200, 200), size: (96, 96) })),
            (Crop, (96, 96), (200, 300), Some(Plan { part: (0, 50, 200, 200), size: (96, 96) })),
            (Crop, (96, 96), (96, 96), None),
            (Crop, (96, 96), (50, 60), None),
            (Crop, (96, 96), (500, 60), Some(Plan { part: (220, 0, 60, 60), size: (60, 60) })),
            (Crop, (96, 48), (1000, 1), Some(Plan { part: (499, 0, 2, 1), size: (2, 1) })),
        ] {
            assert_eq!(target(method, wish.0, wish.1).plan(image), expected, "{method:?} {wish:?} {image:?}");
        }
    }

    #[test]
    fn no_image_and_no_wish_overflow() {
        for side in [1, 2, 31, 33, 999, 30_000, u32::MAX] {
            for wish in [1, 32, 97, 801, 5000, u32::MAX] {
                for method in [Crop, Scale] {
                    for (image, wish) in [((side, 7), (wish, 3)), ((7, side), (3, wish)), ((side, side), (wish, wish))]
                    {
                        let target = target(method, wish.0, wish.1);
                        let Some(plan) = target.plan(image) else { continue };
                        let (left, top, width, height) = plan.part;
                        assert!(width > 0 && height > 0 && left + width <= image.0 && top + height <= image.1);
                        assert!(plan.size.0 > 0 && plan.size.1 > 0);
                        assert!(plan.size.0 <= width && plan.size.1 <= height, "{target:?} {image:?} {plan:?}");
                    }
                }
            }
        }
    }
}
